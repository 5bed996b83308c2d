"""stac-check over all Collections, with the JSON schemas kept beside stac-api-validator-offline.

stac_check_offline.py OFFLINE_SCRIPT BASE
"""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

script, base = sys.argv[1:]
loader = SourceFileLoader("offline", script)
offline = module_from_spec(spec_from_loader("offline", loader))
loader.exec_module(offline)
offline.close_the_network(offline.Gate(base))

from stac_check.cli import main  # after the network was closed

sys.argv = ["stac-check", f"{base}collections", "--collections", "--no-assets-urls"]
main()

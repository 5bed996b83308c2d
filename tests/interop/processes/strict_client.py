"""A strictly typed client reads every document of an asynchronous run: python strict_client.py BROKER ITEM"""

import sys
import time

from ogc_api_processes_client import Configuration
from ogc_api_processes_client.api.result_api import ResultApi
from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper
from ogc_api_processes_client.models.status_code import StatusCode

base, item = sys.argv[1:3]
client = ApiClientWrapper(configuration=Configuration(host=base))

assert client.get_landing_page().links, "landing page"
assert any("processes-1/1.0/conf/core" in uri for uri in client.get_conformance_classes().conforms_to), "conformance"
assert "subset" in [process.id for process in client.get_processes().processes], "list"
assert "items" in client.get_process_description("subset").inputs, "description"
body = {"inputs": {"items": [item], "pause": 1}}
headers = {"Prefer": "respond-async", "Content-Type": "application/json"}
job = client.execute_simple(process_id="subset", execute=body, _headers=headers)
job_id = job.job_id
for _ in range(100):
    status = client.get_status(job_id)
    if status.status != StatusCode.ACCEPTED and status.status != StatusCode.RUNNING:
        break
    time.sleep(0.1)
assert status.status == StatusCode.SUCCESSFUL, status
# What pygeoapi 0.21 gives as results is no map of outputs, so it is read without types.
results = ResultApi(api_client=client.api_client).get_result_without_preload_content(job_id)
assert results.status == 200 and b"EDITO" in results.read(), "results"
assert client.dismiss(job_id).status == StatusCode.DISMISSED, "dismissal"

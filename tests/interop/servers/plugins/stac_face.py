"""pygeoapi with what makes its Collections STAC Collections: `type`, `stac_version` and `license`.

pygeoapi 0.21 cannot be configured to write them, and a document without them is no Collection, so an admin who joins a STAC
federation puts something like this in front. Everything else is pygeoapi's: paging, parameters, errors, Items.
"""

import json

from pygeoapi.flask_app import APP

STAC = {"type": "Collection", "stac_version": "1.0.0", "license": "CC0-1.0"}


def is_json(response):
    # pygeoapi puts its headers in at once, which Flask's own `is_json` does not see.
    return response.headers.get("content-type", "").startswith("application/json")


@APP.after_request
def with_stac(response):
    from flask import request

    parts = request.path.strip("/").split("/")
    if parts[0] != "collections" or len(parts) > 2 or response.status_code != 200 or not is_json(response):
        return response
    document = json.loads(response.get_data())
    for collection in document["collections"] if len(parts) == 1 else [document]:
        collection.update(STAC)
    response.set_data(json.dumps(document))
    return response

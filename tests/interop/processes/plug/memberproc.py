"""A process for pygeoapi members: answers what it was given, waits, fails or gives bytes, and counts its executions."""

import time

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

TEXT = {"type": "string"}
METADATA = {
    "version": "1.0.0",
    "id": "subset",
    "title": {"en": "Subset"},
    "description": {"en": "Says which data it was given, and where it ran."},
    "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
    "keywords": ["subset"],
    "links": [],
    "inputs": {
        "collection": {"title": "Collection", "schema": TEXT, "minOccurs": 0, "maxOccurs": 1},
        "items": {"title": "Items", "schema": {"type": "array"}, "minOccurs": 0, "maxOccurs": 1},
        "pause": {"title": "Seconds to wait", "schema": {"type": "number"}, "minOccurs": 0, "maxOccurs": 1},
        "mode": {"title": "ok, fail or bytes", "schema": TEXT, "minOccurs": 0, "maxOccurs": 1},
    },
    "outputs": {"subset": {"title": "Subset", "schema": {"type": "object", "contentMediaType": "application/json"}}},
    "example": {"inputs": {"collection": "sentinel-2-l2a"}},
}


class Subset(BaseProcessor):
    """Every execution adds a line to the file that the configuration names."""

    def __init__(self, processor_def):
        super().__init__(processor_def, METADATA)
        self.member, self.counted = processor_def["member"], processor_def["executions"]
        self.supports_outputs = True

    def execute(self, data, outputs=None):
        with open(self.counted, "a", encoding="utf-8") as counted:
            counted.write("executed\n")
        time.sleep(float(data.get("pause", 0)))
        mode = data.get("mode", "ok")
        if mode == "fail":
            raise ProcessorExecuteError("the data are not what they seem")
        if mode == "bytes":
            return "application/x-netcdf", b"CDF\x01" + bytes(range(256)) * 64
        seen = {"collection": data.get("collection"), "items": data.get("items")}
        return "application/json", {"id": "subset", "value": {"member": self.member, **seen}}

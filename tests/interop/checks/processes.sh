# Three pygeoapi servers that execute for members of the demo, asked by clients of OGC API - Processes. To be sourced by `run`.

check "processes: three pygeoapi members, OWSLib, ogc-api-processes-client" "$tools/processes/bin/python" \
    "$here/processes/check.py" "$binary" "$tools/pygeoapi" "$work/processes"

# A federation of real servers and one of the demo's, as clients see it. To be sourced by `run`.

start_broker all ARCHIVE MEM GEO TWIN "DEMO=$demo_member" || cannot "the broker over the real servers did not come up"

alps='{"type":"Polygon","coordinates":[[[4,46],[14,46],[14,54],[4,54],[4,46]]]}'
# What the checks of `query` ask for has to be in the Collection.
optical=(--query-comparison-field gsd --query-eq-value 20 --query-neq-value 20 --query-lt-value 60 --query-lte-value 20
    --query-gt-value 10 --query-gte-value 20 --query-substring-field platform --query-starts-with-value sentinel
    --query-ends-with-value 2a --query-contains-value tinel --query-in-field platform --query-in-values sentinel-2a,sentinel-2b)
served_validate() { # served_validate SOFTWARE COLLECTION: every class that the broker has and the validator knows
    check "servers: stac-api-validator $2 ($1)" "$tools/stac/bin/python" "$here/offline.py" "$tools" validate \
        --root-url "$base/" --log-level ERROR --conformance core --conformance collections --conformance features \
        --conformance item-search --conformance filter --conformance "item-search#sort" --conformance "item-search#query" \
        --conformance "item-search#fields" --fields-nested-property properties.platform --validate-pagination \
        "${optical[@]}" --collection "$2" --geometry "$alps"
}
if have stac schemas; then
    served_validate stac-fastapi-pgstac ARCHIVE%7Cscenes-optical
    served_validate "rustac serve" MEM%7Cscenes-optical
    served_validate pygeoapi GEO%7Cscenes-optical
    served_validate "rustac over pgSTAC" TWIN%7Cscenes-optical
    check "servers: stac-check, all Collections" "$tools/stac/bin/python" "$here/offline.py" "$tools" check "$base/"
    # One after the other: they are many, and the machines of CI small.
    gather
    for part in walks conditions parameters collections; do
        check "servers: pystac-client, $part" "$tools/stac/bin/python" -W error "$here/real_clients.py" "$base/" "$work/servers/share" "$part"
    done
fi
if have schemathesis; then
    check "servers: schemathesis, 20 examples" env -C "$work" "$tools/schemathesis/bin/st" run "$base/api" --url "$base" \
        --max-examples 20 --seed 1 --no-color \
        --checks not_a_server_error,content_type_conformance,response_schema_conformance
fi
check "servers: rustac, library" "$tools/rustac/bin/python" -W error "$here/rustac_client.py" "$base" "$work/servers/share"
check "servers: STAC Browser-like requests" "$python" "$here/requests_of_others.py" "$base" browser \
    "ARCHIVE|scenes-optical" "MEM|scenes-optical" "GEO|scenes-optical"

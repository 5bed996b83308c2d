# The demo federation, as clients see it. To be sourced by `run`.

low_countries='{"type":"Polygon","coordinates":[[[4.4,50.4],[6,50.4],[6,51.4],[4.4,51.4],[4.4,50.4]]]}'
world='{"type":"Polygon","coordinates":[[[-179,-89],[179,-89],[179,89],[-179,89],[-179,-89]]]}'
demo_validate() { # demo_validate COLLECTION GEOMETRY OPTION…
    local collection="$1" geometry="$2"; shift 2
    check "demo: stac-api-validator $collection" "$tools/stac/bin/python" "$here/offline.py" "$tools" validate \
        --root-url "$demo_base/" --log-level ERROR --conformance core --conformance collections --conformance features \
        --conformance item-search --validate-pagination "$@" --collection "$collection" --geometry "$geometry"
}
sort=(--conformance "item-search#sort")
fields() { printf '%s\n' --conformance "item-search#fields" --fields-nested-property "$1"; }

if have stac schemas; then
    mapfile -t platform < <(fields properties.platform)
    mapfile -t backends < <(fields properties.federation:backends)
    mapfile -t dataset < <(fields properties.dataset_id)
    demo_validate EODC%7Csentinel-2-l2a "$low_countries" "${sort[@]}" "${platform[@]}"
    demo_validate GRNET-OPENSTACK%7Csentinel-2-l2a "$low_countries" "${sort[@]}" "${platform[@]}"
    demo_validate EDITO%7Cslp "$world" "${sort[@]}" "${backends[@]}"
    # Without sort: datetimes there are null, and the validator 0.6.8 ends in a TypeError when it compares them.
    demo_validate EMODnet%7Cemodnet "$world" "${backends[@]}"
    demo_validate CMEMS%7CGLOBAL_ANALYSISFORECAST_BGC_001_028 "$world" "${dataset[@]}"
    check "demo: stac-check, all Collections" "$tools/stac/bin/python" "$here/offline.py" "$tools" check "$demo_base/"
    for part in walk-7-post walk-7-get walks searches collections; do
        check "demo: pystac-client, $part" "$tools/stac/bin/python" -W error "$here/pystac_clients.py" "$demo_base/" "$part"
    done
    check "demo: pystac, children and schemas" "$tools/stac/bin/python" -W error "$here/pystac_clients.py" "$demo_base/" pystac
    check "demo: stac-client, command line" bash "$here/stac_client" "$tools/stac/bin/stac-client" "$demo_base"
else
    skip "demo: stac-api-validator, stac-check, pystac-client" "they could not be installed"
fi
if have schemathesis; then
    # It writes a cache into the folder it runs in.
    check "demo: schemathesis, 20 examples" env -C "$work" "$tools/schemathesis/bin/st" run "$demo_base/api" --url "$demo_base" \
        --max-examples 20 --seed 1 --no-color \
        --checks not_a_server_error,content_type_conformance,response_schema_conformance
else
    skip "demo: schemathesis" "it could not be installed"
fi
if have rustac; then
    check "demo: rustac, library" "$tools/rustac/bin/python" -W error "$here/rustac_client.py" "$demo_base"
    check "demo: rustac, command line" bash "$here/rustac_client" "$tools/rustac/bin/rustac" "$demo_base" "$work"
else
    skip "demo: rustac" "it could not be installed"
fi
check "demo: QGIS-like requests" "$python" "$here/requests_of_others.py" "$demo_base" qgis
check "demo: STAC Browser-like requests" "$python" "$here/requests_of_others.py" "$demo_base" browser \
    "EODC|sentinel-2-l2a" "GRNET-OPENSTACK|sentinel-2-l2a"
check "demo: curl: gzip, HEAD, OPTIONS, HTTP/2, HTML" bash "$here/curl_client" "$demo_base" "$work"

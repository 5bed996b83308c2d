# The same Items in one pgSTAC and split over three unequal members. To be sourced by `run`.

start_broker split ARCHIVE MEM GEO || cannot "the broker over the split Items did not come up"
check "differential, 500 searches" "$tools/pygeoapi/bin/python" "$here/differential" "$base" "$whole" "$work/servers/share" --searches 500
gather
# What was asked, and what pgSTAC does otherwise.
tail -n 9 "$work/check-$((${#names[@]} - 1)).log"

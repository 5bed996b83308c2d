# What tests/interop/run and its parts share: a temporary folder, tools, servers, and checks that run side by side.
# To be sourced, in the root of the repository.

here="$PWD/tests/interop"
python="${PYTHON:-python3}"
# A check that takes longer hangs.
check_s_max=900
began_s=$SECONDS

work="$(mktemp -d "${TMPDIR:-/tmp}/interop.XXXXXX")" || exit 2
# PostgreSQL runs as another user and has to reach its folder.
chmod 755 "$work"
started=()
tidy() {
    # The last one first: the broker before its members.
    local index
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        kill "${started[$index]}" 2>/dev/null && wait "${started[$index]}" 2>/dev/null
    done
    rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP

say() { printf 'interop: %s\n' "$*"; }
cannot() { printf 'interop: %s\n' "$*" >&2; exit 2; }

# install_tools: into INTEROP_TOOLS, where they stay from one run to the next, or into the temporary folder.
tools="${INTEROP_TOOLS:-$work/tools}"
install_tools() {
    "$here/install" "$tools" || return 1
    tools="$(cd "$tools" && pwd)"
    say "the tools are installed ($((SECONDS - began_s)) s)"
}
# have NAME…: whether they could be installed.
have() { local name; for name in "$@"; do [ -e "$tools/$name/ready" ] || return 1; done; }

# wait_for PID LOG PATTERN: the first match, once the program has printed it.
wait_for() {
    local found
    for _ in $(seq 240); do
        found="$(grep -m 1 -o -e "$3" "$2")" && { printf '%s\n' "$found"; return; }
        kill -0 "$1" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 30 "$2" >&2
    return 1
}

# start_demo: sets demo_base, and demo_member, the address of its EODC.
start_demo() {
    "$binary" demo --listen 127.0.0.1:0 --write "$work/demo.toml" >"$work/demo.log" 2>&1 & started+=($!)
    # The last line comes after its own requests.
    wait_for $! "$work/demo.log" '^Ctrl-C ends the demo' >/dev/null || cannot "the demo did not come up"
    demo_base="$(grep -m 1 -o 'http://127\.0\.0\.1:[0-9]*/search' "$work/demo.log")"
    demo_base="${demo_base%/search}"
    demo_member="$(sed -n '/^id = "EODC"/,/^url/s/^url = "\(.*\)"/\1/p' "$work/demo.toml")"
    say "the demo answers at $demo_base"
}

# start_servers: the real ones; sets whole, the address of the one that holds everything.
start_servers() {
    mkfifo "$work/hold"
    # They end when this shell does, whichever way: then nobody holds the other end of the pipe.
    "$python" "$here/servers/up.py" "$tools" "$work/servers" <"$work/hold" >"$work/servers.log" 2>&1 & started+=($!)
    exec 9>"$work/hold"
    wait_for $! "$work/servers.log" '^all serve' >/dev/null || return 1
    whole="$(sed -n 's/^WHOLE //p' "$work/servers.log")"
    say "the real servers answer: $(sed -n 's/ .*//p' "$work/servers.log" | grep -v all | tr '\n' ' ')($((SECONDS - began_s)) s)"
}

# start_broker NAME MEMBER…: a broker over these servers; sets base.
start_broker() {
    local name="$1"; shift
    "$python" "$here/servers/federation.py" "$work/servers" "$name" "$@" >"$work/$name.toml" || return 1
    "$binary" serve -f "$work/$name.toml" >"$work/$name.log" 2>&1 9>&- & started+=($!)
    wait_for $! "$work/$name.log" 'INFO serving address' >/dev/null || return 1
    base="$(grep -m 1 -o 'http://127\.0\.0\.1:[0-9]*' "$work/$name.log")"
    # Discovery goes on after it serves.
    for _ in $(seq 60); do
        curl -sf "$base/health/ready" >/dev/null && break
        sleep 0.5
    done
    say "a broker over $* answers at $base"
}

# --- checks

names=()
pids=()
failed=0
results=()
check() { # check NAME COMMAND…: starts it; `gather` waits
    local name="$1" index="${#names[@]}"; shift
    names+=("$name")
    (
        exec 9>&-
        began=$SECONDS
        PYTHONDONTWRITEBYTECODE=1 timeout "$check_s_max" "$@" >"$work/check-$index.log" 2>&1
        status=$?
        echo $((SECONDS - began)) >"$work/check-$index.s"
        exit "$status"
    ) & pids+=($!)
}
# gather: waits for the checks started so far.
gather() {
    local index
    for ((index = ${#results[@]}; index < ${#names[@]}; index++)); do
        if wait "${pids[$index]}"; then results+=(good); else results+=(FAILED); failed=$((failed + 1)); fi
    done
}
skipped=()
skip() { skipped+=("$1"); printf '\ninterop: SKIPPED %s: %s\n\n' "$1" "$2" >&2; }

# verdict: the ends of failed checks' logs, a table, and the status to end with.
verdict() {
    local index name
    for index in "${!names[@]}"; do
        if [ "${results[$index]}" = FAILED ]; then
            printf '\n== %s\n' "${names[$index]}"
            tail -n 60 "$work/check-$index.log"
        fi
    done
    printf '\n%-66s %-8s %s\n' check result seconds
    for index in "${!names[@]}"; do
        printf '%-66s %-8s %s\n' "${names[$index]}" "${results[$index]}" "$(cat "$work/check-$index.s" 2>/dev/null)"
    done
    for name in "${skipped[@]+"${skipped[@]}"}"; do printf '%-66s SKIPPED\n' "$name"; done
    printf '\n%s checks, %s failed, %s skipped, %s s\n' "${#names[@]}" "$failed" "${#skipped[@]}" "$((SECONDS - began_s))"
    [ "$failed" -eq 0 ] || return 1
    [ "${#skipped[@]}" -eq 0 ] || return 3
}

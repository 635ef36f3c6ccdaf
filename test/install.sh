# Installs missing packages, on Debian and as root; sourced by ./examples/run
# and ./test/run. Prints nothing if nothing is missing.

# The packages for each purpose.
packages_build='esbuild gcc libc6-dev meson ninja-build pkg-config flex bison libuv1-dev libwslay-dev libpcre2-dev libssl-dev node-llhttp'
packages_test="$packages_build chromium curl g++ clang clang-format libclang-rt-14-dev libcmocka-dev valgrind"
packages_test="$packages_test openssl nginx-light caddy haproxy make cmake zlib1g-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user prometheus systemd"

# install_missing build|test
install_missing()
{
    case $1 in
    build) wanted=$packages_build ;;
    test) wanted=$packages_test ;;
    esac
    # Node comes from Debian only if there is none yet.
    if [ "$1" = test ]; then
        command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
        command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
    fi
    missing=
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages; as root: apt-get install$missing" >&2
        exit 1
    fi
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    if ! said=$({ apt-get update &&
        apt-get install -y --no-install-recommends $missing; } 2>&1); then
        printf '%s\n' "$said" | tail -n 20 >&2
        exit 1
    fi
}

# The libraries of another machine for test/packaging: unpacked, not installed,
# so that the system keeps a single architecture.
install_sysroot()
{
    sysroot=$root/build/sysroot-arm64
    [ ! -f "$sysroot/.complete" ] || return 0
    echo 'unpacking libraries for arm64'
    mkdir -p "$sysroot/apt/lists/partial" "$sysroot/apt/archives/partial"
    : >"$sysroot/apt/status"
    (
        cd "$sysroot/apt"
        set -- -o Dir::State::Lists="$PWD/lists" \
            -o Dir::State::Status="$PWD/status" -o Dir::Cache="$PWD" \
            -o APT::Architecture=arm64 -o APT::Architectures=arm64
        apt-get "$@" update
        apt-get "$@" download libuv1-dev libuv1 libwslay-dev libwslay1 \
            libpcre2-dev libpcre2-8-0
        for package in *.deb; do
            dpkg -x "$package" "$sysroot"
        done
    ) >"$sysroot/log" 2>&1 || { cat "$sysroot/log" >&2; exit 1; }
    rm -r "$sysroot/apt"
    touch "$sysroot/.complete"
}

# The packages of test/e2e, each pinned to a version, and those of test/ts,
# test/web and test/browser, pinned with all that they depend on.
install_node_packages()
{
    install_node_packages_of e2e package.json install --no-package-lock
    install_node_packages_of ts package-lock.json ci
    install_node_packages_of web package-lock.json ci
    install_node_packages_of browser package-lock.json ci
}

# install_node_packages_of FOLDER PINS NPM-COMMAND…
install_node_packages_of()
{
    (
        cd "$root/test/$1"
        pins=$2
        shift 2
        if ! cmp -s "$pins" node_modules/.installed; then
            echo 'installing node packages'
            npm "$@" --no-audit --no-fund --loglevel=error
            cp "$pins" node_modules/.installed
        fi
    )
}

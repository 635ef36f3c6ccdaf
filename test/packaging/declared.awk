# Reads the public headers, preprocessed and without line marks; prints the name
# of every function and object of zocket that they declare and do not define.
# The contents of braces are left out.
{
    for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "{") {
            depth++
        } else if (c == "}") {
            depth--
        }
        if (depth > 0) {
            continue
        }
        # A body ends its definition, as a semicolon does; the braces of a type
        # are followed by a semicolon anyway.
        if (c == ";" || c == "}") {
            declaration(text)
            text = ""
        } else {
            text = text c
        }
    }
    text = text " "
}

function declaration(text,    names, n, i)
{
    gsub(/__attribute__[[:space:]]*\(\(.*\)\)/, "", text)
    sub(/^[[:space:]]+/, "", text)
    if (text ~ /^(static|typedef)/) {
        return
    }
    if (match(text, /zkt_[a-z_0-9]+[[:space:]]*\(/)) {
        text = substr(text, RSTART, RLENGTH)
        sub(/[[:space:]]*\($/, "", text)
        print text
    } else if (text ~ /^extern .*zkt_/) {
        sub(/^extern (const )?(struct )?[a-z_0-9]+/, "", text)
        n = split(text, names, ",")
        for (i = 1; i <= n; i++) {
            gsub(/[^a-z_0-9]/, "", names[i])
            print names[i]
        }
    }
}

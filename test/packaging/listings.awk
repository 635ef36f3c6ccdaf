# Reads build files, then Markdown: every listing of meson, cmake or make in it
# must be a contiguous part of a build file.
FILENAME !~ /\.md$/ {
    text[FILENAME] = text[FILENAME] $0 "\n"
    next
}
/^```/ && listing == "" {
    wanted = $0 ~ /^```(meson|cmake|make)$/
    block = ""
    start = FNR
    listing = "open"
    next
}
/^```/ {
    if (wanted) {
        count++
        found = 0
        for (name in text) {
            found = found || index(text[name], block) > 0
        }
        if (!found) {
            print FILENAME ":" start ": no project here has this listing"
            bad = 1
        }
    }
    listing = ""
    next
}
{
    block = block $0 "\n"
}
END {
    if (count < 5) {
        print "there are only " count " listings"
        bad = 1
    }
    exit bad
}

# Prints the example in the opening comment of a header: its lines that are
# indented by four columns, and the empty lines between them. Exits with 1 if
# there is none.
/\*\// { exit }
/^ \*     / {
    for (; blank > 0; blank--)
        print ""
    print substr($0, 8)
    found = 1
    next
}
/^ \*$/ { blank = found ? blank + 1 : 0; next }
{ blank = 0 }
END { exit !found }

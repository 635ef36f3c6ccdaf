# The C listings of a guide, one behind the other: they are one program.
/^```c$/ { inside = 1; next }
/^```$/ { if (inside) print ""; inside = 0 }
inside { print }

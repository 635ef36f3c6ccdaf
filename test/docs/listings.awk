# Prints the C listings of a guide in order: together they are a program.
/^```c$/ { inside = 1; next }
/^```$/ { if (inside) print ""; inside = 0 }
inside { print }

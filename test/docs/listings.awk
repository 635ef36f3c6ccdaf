# Prints the C listings of a page that are marked as parts of the client guide,
# in order: together they are a program.
/^<!-- test: client guide -->$/ { marked = 1; next }
/^```c$/ { inside = marked; next }
/^```$/ { if (inside) print ""; inside = 0; marked = 0 }
inside { print }

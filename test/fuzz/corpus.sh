# Corpora, one archive per fuzzer; sourced by the commands of this folder. An
# archive holds the same bytes whenever its files do: names are sorted, times
# and owners are left out.

# corpus_unpack ARCHIVE FOLDER: the folder holds the files of the archive alone
corpus_unpack()
{
    rm -rf "$2"
    mkdir -p "$2"
    tar -xzf "$1" -C "$2"
}

# corpus_pack FOLDER ARCHIVE
corpus_pack()
{
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
        --mode=u=rw,go=r -C "$1" -cf - --transform='s,^\./,,' \
        $(cd "$1" && find . -type f | LC_ALL=C sort) | gzip -9n >"$2"
}

# Names under which the installed binary is one of its personalities.
# shellcheck shell=bash disable=SC2034,SC2154

# Those that are really there; the binary refuses the others.
personalities=(ctr docker nerdctl)

# Checks a list `a,b`, `all` or `none`, and prints one name a line.
link_names() {
    local name
    local -a asked
    case $1 in
    none | '') return 0 ;;
    all) printf '%s\n' "${personalities[@]}" && return 0 ;;
    esac
    IFS=, read -r -a asked <<<"$1"
    for name in "${asked[@]}"; do
        [[ " ${personalities[*]} " == *" $name "* ]] ||
            misuse "--links knows ${personalities[*]}, not $name"
        printf '%s\n' "$name"
    done
}

# Whether a path is a symbolic link to the installed binary.
is_our_link() { [ -L "$1" ] && [ "$(readlink "$1")" = isopod ]; }

# What a link of that name would hide or overwrite: a path, or nothing.
hidden_by_link() {
    local folder=$1 name=$2 found
    if [ -e "$folder/$name" ] || [ -L "$folder/$name" ]; then
        is_our_link "$folder/$name" || printf '%s\n' "$folder/$name"
        return 0
    fi
    while read -r found; do
        [ "$found" -ef "$folder/isopod" ] || { printf '%s\n' "$found" && return 0; }
    done < <(type -aP "$name" || true)
}

# make_link FOLDER NAME: by rename, so that there is never a moment without it.
make_link() {
    is_our_link "$1/$2" && return 0
    ln -s isopod "$1/.$2.isopod-new"
    mv -T "$1/.$2.isopod-new" "$1/$2"
}

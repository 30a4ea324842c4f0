# bash completion for telos: source it, or have it in share/bash-completion/completions/telos.
# What may stand is asked of the very program that is being typed.
# shellcheck shell=bash

_telos() {
  local words=() word i line program=${1/#\~/$HOME} cur typed

  # bash parts words at '=' as well: run.seed = 1 is one of ours
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ ${#words[@]} != 0 && ( $word = '=' || ( ${COMP_WORDS[i - 1]} = '=' && $word != '' ) ) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  cur=${words[-1]}
  typed=${cur##*=}

  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
    @files)
      compopt -o filenames
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$typed")
      ;;
    @folders)
      compopt -o filenames
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$typed")
      ;;
    *)
      line=${line%%$'\t'*}
      # what is replaced begins behind the last '='
      if [[ $COMP_WORDBREAKS = *=* ]]; then
        line=${line#"${cur%"$typed"}"}
      fi
      [[ $line = *= ]] && compopt -o nospace
      COMPREPLY+=("$line")
      ;;
    esac
  done < <("$program" completion words "${words[@]}" 2>/dev/null)
}
complete -F _telos telos

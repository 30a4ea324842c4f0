# fish completion for telos: source it, or have it in share/fish/vendor_completions.d.
# What may stand is asked of the very program that is being typed.

function __telos_words
    set -l words (commandline -opc) (commandline -ct)
    set -l typed (string replace -r '.*=' '' -- $words[-1])
    for line in ($words[1] completion words $words[2..-1] 2>/dev/null)
        switch $line
            case @files
                __fish_complete_path $typed
            case @folders
                __fish_complete_directories $typed
            case '*'
                echo $line
        end
    end
end
complete -c telos -f -a '(__telos_words)'

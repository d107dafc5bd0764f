# bash completion of volume-uploader. Made by scripts/make-docs; a test fails when it is stale.

_volume_uploader()
{
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} flags=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "run setup check demo simulate emulate inspect top version help" -- "$current")
        return
    fi
    case $command:$before in
    run:--stream-host | \
        run:--stream-port | \
        run:--stream-limit | \
        run:--host | \
        run:--volume | \
        run:--table | \
        run:--workspace-id | \
        run:--partner | \
        run:--client-id | \
        run:--profile | \
        run:--job-cluster-id | \
        run:--job-warehouse-id | \
        run:--job-archive-after | \
        run:--job-folder | \
        run:--upload-interval | \
        run:--batch-size | \
        run:--segment-bytes | \
        run:--series-max | \
        run:--merge-bytes | \
        run:--upload-parallel | \
        run:--commit-ms | \
        run:--commit-bytes | \
        run:--state-bytes-max | \
        run:--free-bytes-min | \
        run:--stop-ms | \
        run:--status-listen)
        return
        ;;
    run:--ca-file | \
        run:--client-cert-file | \
        run:--client-key-file | \
        run:--proxy-ca-file | \
        run:--client-secret-file | \
        run:--token-file | \
        run:--oidc-token-file | \
        run:--azure-client-secret-file | \
        run:--config-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    run:--auth-type)
        mapfile -t COMPREPLY < <(compgen -W "any pat oauth-m2m env-oidc file-oidc azure-client-secret" -- "$current")
        return
        ;;
    run:--job-trigger)
        mapfile -t COMPREPLY < <(compgen -W "file_arrival periodic" -- "$current")
        return
        ;;
    run:--file-layout)
        mapfile -t COMPREPLY < <(compgen -W "flat daily" -- "$current")
        return
        ;;
    run:--row-order)
        mapfile -t COMPREPLY < <(compgen -W "series time" -- "$current")
        return
        ;;
    run:--parquet-profile)
        mapfile -t COMPREPLY < <(compgen -W "safe delta" -- "$current")
        return
        ;;
    run:--compression)
        mapfile -t COMPREPLY < <(compgen -W "zstd snappy none" -- "$current")
        return
        ;;
    run:--state-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    run:--when-full)
        mapfile -t COMPREPLY < <(compgen -W "wait drop_oldest" -- "$current")
        return
        ;;
    run:--log-level)
        mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$current")
        return
        ;;
    run:--log-format)
        mapfile -t COMPREPLY < <(compgen -W "text json journal" -- "$current")
        return
        ;;
    setup:--principal | \
        setup:--host | \
        setup:--volume | \
        setup:--table | \
        setup:--workspace-id | \
        setup:--partner | \
        setup:--client-id | \
        setup:--profile | \
        setup:--job-cluster-id | \
        setup:--job-warehouse-id | \
        setup:--job-archive-after | \
        setup:--job-folder | \
        setup:--warehouse-id | \
        setup:--state-bytes-max | \
        setup:--free-bytes-min)
        return
        ;;
    setup:--ca-file | \
        setup:--client-cert-file | \
        setup:--client-key-file | \
        setup:--proxy-ca-file | \
        setup:--client-secret-file | \
        setup:--token-file | \
        setup:--oidc-token-file | \
        setup:--azure-client-secret-file | \
        setup:--config-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    setup:--auth-type)
        mapfile -t COMPREPLY < <(compgen -W "any pat oauth-m2m env-oidc file-oidc azure-client-secret" -- "$current")
        return
        ;;
    setup:--job-trigger)
        mapfile -t COMPREPLY < <(compgen -W "file_arrival periodic" -- "$current")
        return
        ;;
    setup:--state-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    setup:--log-level)
        mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$current")
        return
        ;;
    setup:--log-format)
        mapfile -t COMPREPLY < <(compgen -W "text json journal" -- "$current")
        return
        ;;
    check:--stream-host | \
        check:--stream-port | \
        check:--stream-limit | \
        check:--host | \
        check:--volume | \
        check:--table | \
        check:--workspace-id | \
        check:--partner | \
        check:--client-id | \
        check:--profile | \
        check:--job-cluster-id | \
        check:--job-warehouse-id | \
        check:--job-archive-after | \
        check:--job-folder | \
        check:--warehouse-id | \
        check:--upload-interval | \
        check:--batch-size | \
        check:--segment-bytes | \
        check:--series-max | \
        check:--merge-bytes | \
        check:--upload-parallel | \
        check:--commit-ms | \
        check:--commit-bytes | \
        check:--state-bytes-max | \
        check:--free-bytes-min | \
        check:--stop-ms | \
        check:--status-listen)
        return
        ;;
    check:--ca-file | \
        check:--client-cert-file | \
        check:--client-key-file | \
        check:--proxy-ca-file | \
        check:--client-secret-file | \
        check:--token-file | \
        check:--oidc-token-file | \
        check:--azure-client-secret-file | \
        check:--config-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    check:--auth-type)
        mapfile -t COMPREPLY < <(compgen -W "any pat oauth-m2m env-oidc file-oidc azure-client-secret" -- "$current")
        return
        ;;
    check:--job-trigger)
        mapfile -t COMPREPLY < <(compgen -W "file_arrival periodic" -- "$current")
        return
        ;;
    check:--file-layout)
        mapfile -t COMPREPLY < <(compgen -W "flat daily" -- "$current")
        return
        ;;
    check:--row-order)
        mapfile -t COMPREPLY < <(compgen -W "series time" -- "$current")
        return
        ;;
    check:--parquet-profile)
        mapfile -t COMPREPLY < <(compgen -W "safe delta" -- "$current")
        return
        ;;
    check:--compression)
        mapfile -t COMPREPLY < <(compgen -W "zstd snappy none" -- "$current")
        return
        ;;
    check:--state-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    check:--when-full)
        mapfile -t COMPREPLY < <(compgen -W "wait drop_oldest" -- "$current")
        return
        ;;
    check:--log-level)
        mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$current")
        return
        ;;
    check:--log-format)
        mapfile -t COMPREPLY < <(compgen -W "text json journal" -- "$current")
        return
        ;;
    demo:--dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    demo:--seconds | \
        demo:--rate)
        return
        ;;
    simulate:--listen | \
        simulate:--assets | \
        simulate:--asset | \
        simulate:--asset-prefix | \
        simulate:--streams | \
        simulate:--stream | \
        simulate:--source | \
        simulate:--min | \
        simulate:--max | \
        simulate:--seed | \
        simulate:--period | \
        simulate:--rate | \
        simulate:--burst | \
        simulate:--count | \
        simulate:--start-time | \
        simulate:--step | \
        simulate:--upload-interval | \
        simulate:--batch-size | \
        simulate:--manifest-every | \
        simulate:--then-upload-interval | \
        simulate:--then-batch-size | \
        simulate:--publish-interval | \
        simulate:--late | \
        simulate:--late-by | \
        simulate:--repeat | \
        simulate:--bad | \
        simulate:--bad-kinds | \
        simulate:--too-long | \
        simulate:--other | \
        simulate:--split | \
        simulate:--split-pause | \
        simulate:--drop-after | \
        simulate:--drops | \
        simulate:--summary)
        return
        ;;
    simulate:--csv)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    emulate:--root)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    emulate:--listen | \
        emulate:--volume | \
        emulate:--schema | \
        emulate:--client-id | \
        emulate:--token-lifetime | \
        emulate:--warehouse | \
        emulate:--cluster | \
        emulate:--job-poll | \
        emulate:--job-time-scale | \
        emulate:--job-files-limit | \
        emulate:--fault)
        return
        ;;
    emulate:--cert | \
        emulate:--client-secret-file | \
        emulate:--token-file | \
        emulate:--principal)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    inspect:--rows | \
        inspect:--state-bytes-max | \
        inspect:--free-bytes-min)
        return
        ;;
    inspect:--salvage | \
        inspect:--state-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    top:--every | \
        top:--status-listen)
        return
        ;;
    esac
    case $command in
    run)
        flags="--no-live-line --help --stream-host --stream-port --stream-limit --host --volume --table --workspace-id --ca-file --client-cert-file --client-key-file --proxy-ca-file --partner --client-id --client-secret-file --token-file --oidc-token-file --azure-client-secret-file --auth-type --profile --config-file --job-cluster-id --job-warehouse-id --job-serverless --job-trigger --job-clean-source --job-archive-after --job-folder --upload-interval --batch-size --segment-bytes --series-max --merge-bytes --file-layout --row-order --parquet-profile --compression --upload-parallel --state-dir --allow-volatile-state --commit-ms --commit-bytes --state-bytes-max --free-bytes-min --when-full --stop-ms --status-listen --log-level --log-format --sandbox"
        ;;
    setup)
        flags="--dry-run --sql --principal --replace-original --json --help --host --volume --table --workspace-id --ca-file --client-cert-file --client-key-file --proxy-ca-file --partner --client-id --client-secret-file --token-file --oidc-token-file --azure-client-secret-file --auth-type --profile --config-file --job-cluster-id --job-warehouse-id --job-serverless --job-trigger --job-clean-source --job-archive-after --job-folder --warehouse-id --state-dir --allow-volatile-state --state-bytes-max --free-bytes-min --log-level --log-format"
        ;;
    check)
        flags="--json --strict --help --stream-host --stream-port --stream-limit --host --volume --table --workspace-id --ca-file --client-cert-file --client-key-file --proxy-ca-file --partner --client-id --client-secret-file --token-file --oidc-token-file --azure-client-secret-file --auth-type --profile --config-file --job-cluster-id --job-warehouse-id --job-serverless --job-trigger --job-clean-source --job-archive-after --job-folder --warehouse-id --upload-interval --batch-size --segment-bytes --series-max --merge-bytes --file-layout --row-order --parquet-profile --compression --upload-parallel --state-dir --allow-volatile-state --commit-ms --commit-bytes --state-bytes-max --free-bytes-min --when-full --stop-ms --status-listen --log-level --log-format"
        ;;
    demo)
        flags="--dir --seconds --rate --help"
        ;;
    simulate)
        flags="--listen --assets --asset --asset-prefix --streams --stream --source --trace-ids --random --counter --realistic --min --max --full-precision --seed --period --rate --burst --count --exit --start-time --step --upload-interval --batch-size --manifest-every --then-upload-interval --then-batch-size --csv --publish-interval --ignore-timestamps --now-offset --replay --resume --late --late-by --repeat --bad --bad-kinds --too-long --other --crlf --split --split-pause --drop-after --drops --drop-reset --drop-cut --summary --quiet --help"
        ;;
    emulate)
        flags="--root --listen --allow-remote --volume --schema --cert --client-id --client-secret-file --token-file --token-lifetime --restrict --principal --warehouse --cluster --job-poll --job-time-scale --job-files-limit --fault --verbose --help"
        ;;
    inspect)
        flags="--rows --check --all --salvage --json --help --state-dir --state-bytes-max --free-bytes-min"
        ;;
    top)
        flags="--every --once --help --status-listen"
        ;;
    version)
        flags="--help"
        ;;
    help)
        flags="--help"
        ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    elif [[ $command == inspect ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "run setup check demo simulate emulate inspect top version help settings" -- "$current")
    fi
}
complete -o filenames -F _volume_uploader volume-uploader

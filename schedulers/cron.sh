#!/bin/sh
# Run one metastudio command from cron: */15 * * * *  /srv/metastudio/schedulers/cron.sh sync
# Prints only failures, because cron mails what is printed. Code 6 (another sync) is not a failure.
# Adapt the folder. It holds .venv and .dlt, and gets the summaries and the log.
cd "${METASTUDIO_FOLDER:-/srv/metastudio}" || exit

.venv/bin/metastudio "$@" --json >>metastudio.jsonl 2>>metastudio.log
code=$?

case $code in
    0 | 6) exit 0 ;;
esac
echo "metastudio $* failed with exit code $code. The end of metastudio.log:"
tail -n 5 metastudio.log
exit $code

# SPDX-License-Identifier: LGPL-2.1-or-later
# Wishes are written beside what others keep with a domain, and nothing else of it changes.

WISHES=https://iocore.org/xmlns/domain/1

# dump NAME FILE: as it runs, and as it is configured
dump() {
  { v dumpxml "$1" && echo "--- configuration" && v dumpxml --inactive "$1"; } >"$work/$2"
}
# Without our elements, and without their lines.
without_ours() { grep -v "^ *<iocore:iocore " "$work/$1"; }
has_class() { domain_is "$1" .class "$2"; }
times_foreign() { grep -c "its element in our namespace is not one of ours" "$work/iocored.log"; }
foreign_was_told() { [ "$(times_foreign)" -gt "$1" ]; }

test_wishes() {
  local b=$tag-b before foreign
  v metadata "$b" --uri https://example.org/ --key other --set "<thing key='value'>of somebody else</thing>" --live --config
  dump "$b" before
  holds "wishes are set on a domain with metadata of somebody else" ctl domain set "$b" class=throughput share-within=domain weight=7
  dump "$b" after
  is "$(grep -c "^ *<iocore:iocore xmlns:iocore=\"$WISHES\" class=\"throughput\" weight=\"7\" share-within=\"domain\"/>" "$work/after")" 2 \
    "as it runs, and for its next start" || diag "$(grep -n iocore: "$work/after")"
  is "$(without_ours after)" "$(cat "$work/before")" "all else of its XML is as before" || diag "$(diff "$work/before" "$work/after")"
  wait_until "$soon" domain_is "$b" .share_within domain
  ok $? "share-within is known"
  is "$(ctl domain show "$b" | awk '$1 == "wishes" { $1 = ""; print substr($0, 2) }')" "class=throughput share-within=domain weight=7" "and shown"
  holds "wishes are taken away" ctl domain set "$b" class= share-within= weight=
  dump "$b" after
  is "$(cat "$work/after")" "$(cat "$work/before")" "and its XML is what it was" || diag "$(diff "$work/before" "$work/after")"
  v metadata "$b" --uri https://example.org/ --remove --live --config

  # somebody else in our namespace
  wait_until "$soon" has_class "$b" ""
  before=$(times_foreign)
  v metadata "$b" --uri "$WISHES" --key iocore --set "<iocore class='latency' colour='red'/>" --live --config
  wait_until "$soon" foreign_was_told "$before"
  ok $? "an element of somebody else in our namespace is told" || diag "$(tail -5 "$work/iocored.log")"
  foreign=$(v metadata "$b" "$WISHES"; v metadata --config "$b" "$WISHES")
  is "$(domain "$b" .class)" "" "and not heeded"
  ctl domain set "$b" class=throughput >"$work/output" 2>&1
  isnt_zero $? "wishes are not set there"
  grep -q "its metadata has an element of somebody else in our namespace (the attribute colour): left as it is" "$work/output"
  ok $? "for this reason" || diag "$(cat "$work/output")"
  is "$(v metadata "$b" "$WISHES"; v metadata --config "$b" "$WISHES")" "$foreign" "the element is as it was"
  # and once more looked at
  v suspend "$b" && wait_until "$soon" domain_is "$b" .state paused && v resume "$b" && wait_until "$soon" domain_is "$b" .state running
  is "$(times_foreign)" $((before + 1)) "it was told once"
  v metadata "$b" --uri "$WISHES" --remove --live --config
}

add_unit_test(debounce sync_core watcher)
add_unit_test(open_files sync_core)
add_unit_test(mailbox sync)
add_unit_test(drive sync_core store watcher)

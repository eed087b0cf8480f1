add_library(sync STATIC
	adopt.c
	engine.c
	engine_news.c
	engine_requests.c
	epoch.c
	helper.c
	listen.c
	mailbox.c
	pass.c
	rules_walk.c
	run.c
	queue_alarm.c
	storm.c
	sync_item.c
	unread.c
	verify.c
	watch.c
	watched.c)
target_link_libraries(sync PUBLIC sync_core store watcher wakeline_flags PkgConfig::LIBUV)

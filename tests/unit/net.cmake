# The network side's tests speak to a server over real sockets, with a real store and an engine that only answers.
add_library(net_fake STATIC unit/net_fake.c unit/net_client.c)
target_link_libraries(net_fake PUBLIC net PkgConfig::LIBUV PkgConfig::LIBWEBSOCKETS PkgConfig::JANSSON
                      PRIVATE PkgConfig::CMOCKA wakeline_flags)

add_unit_test(wire net)
add_unit_test(events net)
add_unit_test(ring net)
add_unit_test(prefixes net)
add_unit_test(filter net PkgConfig::JANSSON)
add_unit_test(frame net PkgConfig::JANSSON)
add_unit_test(session net_fake)
add_unit_test(delivery net_fake)
add_unit_test(snapshots net_fake)
add_unit_test(http net_fake)
add_unit_test(stop net_fake)
include(bench/net.cmake)

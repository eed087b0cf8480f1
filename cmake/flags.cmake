# Every target links wakeline_flags: the language, the warnings, the sanitizers and the hardening live here alone.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Asserts state what only a bug can break; they stay in the release build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE} -g")
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

add_library(wakeline_flags INTERFACE)
target_include_directories(wakeline_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(wakeline_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64
                           WAKELINE_VERSION="${PROJECT_VERSION}")
target_compile_options(wakeline_flags INTERFACE
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -fno-common)
if(WAKELINE_SANITIZE)
	target_compile_options(wakeline_flags INTERFACE
		-fsanitize=${WAKELINE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1)
	target_link_options(wakeline_flags INTERFACE -fsanitize=${WAKELINE_SANITIZE})
	if(WAKELINE_FUZZ)
		target_compile_options(wakeline_flags INTERFACE -fsanitize=fuzzer-no-link)
	endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(wakeline_flags INTERFACE
		-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fstack-clash-protection)
	target_link_options(wakeline_flags INTERFACE -pie -Wl,-z,relro -Wl,-z,now)
endif()

# A PGXS makefile: make, install, installcheck, check, demo, bench, clean; PG_CONFIG=… chooses the server.
EXTENSION = pg_streambatch
DATA = pg_streambatch--0.1.0.sql
MODULE_big = pg_streambatch
SOURCES = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o) src/source/json.o

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
PG_CXXFLAGS = -std=c++17 -O3 -fno-exceptions -fno-rtti -Wextra -Werror -Wno-unused-parameter
SHLIB_LINK = -lrdkafka -lsimdjson -lstdc++

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
TAP_TESTS = 1

# bitcode for JIT inlining would need the very clang that the server was built with
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# few and small enough that every object is made again when a header changes
$(OBJS): $(wildcard src/*/*.h src/*/*.hpp)

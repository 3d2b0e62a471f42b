# A PGXS makefile: make, install, installcheck, check, fuzz, demo, bench, clean; PG_CONFIG=… chooses the server.
EXTENSION = pg_streambatch
DATA = $(wildcard pg_streambatch--*.sql)
MODULE_big = pg_streambatch
SOURCES = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o) src/message/json.o

# nothing is exported but what PostgreSQL calls; up to version 15 its own mark for that is empty
PG_CPPFLAGS = -Isrc '-DPGDLLEXPORT=__attribute__((visibility("default")))'
PG_CFLAGS = -fvisibility=hidden -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
PG_CXXFLAGS = -std=c++17 -O3 -fvisibility=hidden -fvisibility-inlines-hidden -fno-exceptions -fno-rtti -Wextra -Werror -Wno-unused-parameter
SHLIB_LINK = -lrdkafka -lsimdjson -lstdc++

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
# each test beside an embedded broker of its own
REGRESS_OPTS = --launcher=test/broker/with-broker
ISOLATION_OPTS = --launcher=test/broker/with-broker --inputdir=test
EXTRA_CLEAN = test/broker/mock_broker test/broker/kafka_client test/broker/properties bench/produce bench/bare_limit

# bitcode for JIT inlining would need the very clang that the server was built with
override with_llvm = no

PG_CONFIG ?= pg_config

# these install what they need first, pg_config included
ifneq (,$(filter check fuzz demo bench,$(MAKECMDGOALS)))
export PG_CONFIG
check: ; $(if $(VERSIONS),test/versions $(VERSIONS),test/run)
fuzz: ; QUERIES=$(or $(QUERIES),5000) test/run test/t/120_equivalence.pl
demo: ; demo/run
bench: ; bench/run
.PHONY: check fuzz demo bench
else
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
# the first one says so where the server is of a version that is not supported
$(filter-out src/module.o,$(OBJS)): | src/module.o
# few and small enough that every object is made again when a header changes
$(OBJS): $(wildcard src/*/*.h src/*/*.hpp)
installcheck: test/broker/mock_broker
test/broker/mock_broker: $(wildcard test/broker/*.c) ; $(MAKE) -C test/broker
endif

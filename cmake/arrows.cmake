# The architecture in one file: each directory, the directories it may include, and the libraries it links.
# `./dev tidy` reads this file and refuses an #include that follows no arrow.
sluice_library(base EXTERNAL PkgConfig::UV PkgConfig::MHD PkgConfig::PROTOBUF_C PkgConfig::CRYPTO m pthread)

sluice_library(admission USES base)

sluice_library(dataplane/item USES base admission EXTERNAL PkgConfig::XXHASH)
sluice_library(dataplane/expression USES base dataplane/item)
sluice_library(dataplane/proto USES base EXTERNAL PkgConfig::PROTOBUF_C)
sluice_library(dataplane/log USES base EXTERNAL PkgConfig::UV)
sluice_library(dataplane/replication USES base)
sluice_library(dataplane/partition USES base dataplane/item dataplane/expression)
sluice_library(dataplane/store USES base EXTERNAL ${ROCKSDB_LIBRARY} PkgConfig::UV)
sluice_library(controlplane/proto USES base EXTERNAL PkgConfig::PROTOBUF_C)
# A node reports to control and publishes to MemDS: it knows their messages, never their code.
sluice_library(dataplane/node USES base admission dataplane/item dataplane/expression dataplane/proto dataplane/log
    dataplane/replication dataplane/partition dataplane/store controlplane/proto EXTERNAL PkgConfig::UV)
sluice_library(dataplane/client USES base dataplane/item dataplane/proto EXTERNAL PkgConfig::UV)

sluice_library(controlplane/bundle USES base controlplane/proto EXTERNAL PkgConfig::CRYPTO)
sluice_library(controlplane/memds USES base controlplane/proto controlplane/bundle EXTERNAL PkgConfig::UV PkgConfig::XXHASH)
sluice_library(controlplane/client USES base controlplane/proto controlplane/bundle EXTERNAL PkgConfig::UV)
sluice_library(controlplane/migrations)
sluice_library(controlplane/control USES base dataplane/item controlplane/proto controlplane/bundle controlplane/client
    controlplane/migrations EXTERNAL PkgConfig::MHD PkgConfig::CRYPTO PkgConfig::UV PkgConfig::JANSSON PostgreSQL::PostgreSQL)

sluice_library(api/json USES base dataplane/item)
sluice_library(api/model USES base api/json)
sluice_library(api/expression USES base dataplane/item dataplane/expression)
sluice_library(api/sigv4 USES base EXTERNAL PkgConfig::CRYPTO)
sluice_library(api/http USES base EXTERNAL PkgConfig::UV PkgConfig::MHD PkgConfig::ZLIB)
sluice_library(api/router USES base dataplane/item dataplane/expression dataplane/proto dataplane/client
    controlplane/proto controlplane/bundle controlplane/client api/json api/model api/expression api/sigv4 api/http
    EXTERNAL PkgConfig::UV PkgConfig::JANSSON PkgConfig::CRYPTO)
sluice_library(api/cli USES base EXTERNAL PkgConfig::JANSSON PkgConfig::CURL)

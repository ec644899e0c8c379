#!/usr/bin/env bash
# Checks for the JDK and Maven that the test Elasticsearch needs. As root with apt it announces and installs what is
# missing (not with DWELL_NO_INSTALL=1); otherwise it prints the command. It never fails: tests that need the server
# (DWELL_REQUIRE_ELASTICSEARCH=1) report its absence.
set -u
if [ -n "${DWELL_TEST_ELASTICSEARCH_URL:-}" ]; then exit 0; fi
if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then exit 0; fi
need=()
if ! command -v javac >/dev/null; then need+=(openjdk-17-jdk-headless); fi
if ! command -v mvn >/dev/null; then need+=(maven); fi
if [ ${#need[@]} -eq 0 ]; then exit 0; fi
install="apt-get update && apt-get install -y --no-install-recommends ${need[*]}"
if [ "${DWELL_NO_INSTALL:-}" = 1 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "dwell: the tests against a real Elasticsearch need a JDK and Maven (or Docker Compose). To have them: $install" >&2
  exit 0
fi
echo "dwell: a JDK and Maven are missing for the test Elasticsearch; installing ${need[*]} (DWELL_NO_INSTALL=1 stops this)" >&2
(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}") >&2 ||
  echo "dwell: the installation did not work; by hand: $install" >&2

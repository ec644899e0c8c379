dwell: reading /work/wt/held/cases2/q31-dns-only-tsv/logs as --zeek /work/wt/held/cases2/q31-dns-only-tsv/logs
dwell: note: there is no conn log, so no beacon, long connection or strobe can be found; give the directory that holds conn.log
dwell: note: there is no ssl or http log, so pairs are by address alone; give the directory with all of Zeek's logs to have servers followed by their names
dwell: 0 findings with score >= 0.40, of 0 candidates scored, 0 pairs and 0 connections, in 2026-03-02T00:00:00Z/2026-03-02T22:12:40Z
dwell: nothing was analyzed: no connection was in scope

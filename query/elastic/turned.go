package elastic

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

const (
	fieldHistory = securityonion.FieldHistory
	fieldRespIP  = securityonion.FieldServerIPBytes
)

// turned searches for TCP connections of which Zeek missed the SYN and took the server for the originator: from outside
// to inside. It swaps their sides.
func turned(scope hunt.Scope) query {
	scope.Direction = hunt.Inbound
	q := connQuery(scope)
	q.filter = append(q.filter, dsl.Term(fieldState, "OTH"), dsl.Terms(fieldTransport, []string{"tcp", "TCP"}),
		dsl.Exists(fieldSrcPort), dsl.Exists(fieldDstPort))
	q.mustNot = append(slices.Clone(q.mustNot), object{"regexp": object{fieldHistory: ".*[SsHh].*"}}, dsl.Terms(fieldSource, cidrs(hunt.NeverDestination())))
	q.sources = []source{
		{"t", fieldTime, false},
		{"s", fieldDest, false}, {"p", fieldDstPort, true},
		{"d", fieldSource, false}, {"q", fieldSrcPort, true},
		{"n", fieldTransport, true}, {"v", fieldService, true}, {"c", fieldState, true},
		{"u", fieldDuration, true},
		{"i", fieldRespIP, true}, {"o", fieldResp, true}, {"r", fieldOrig, true},
	}
	return q
}

// servers drops swapped connections that do not go to a server: the destination port is not the lower one, or both
// ports are servers'.
func servers(batch []hunt.Connection) []hunt.Connection {
	return slices.DeleteFunc(batch, func(c hunt.Connection) bool { return c.DstPort >= c.SrcPort || c.SrcPort < 1024 })
}

// readTurned reads such connections in the span of a reading.
func (r *reading) readTurned(ctx context.Context, emit func([]hunt.Connection) error) (some bool, err error) {
	req := r.req
	if req.Progress = nil; req.EveryRecord || req.Scope.Direction != hunt.Outbound || req.Scope.Narrowed() {
		return false, nil
	}
	var kept atomic.Int64
	part := newReading(r.src, r.place, log{many: "connections that were turned round", query: turned(req.Scope), window: r.window, from: r.from, to: r.to, reported: true, past: true,
		rows: rowsOf(connection(), func(batch []hunt.Connection) error {
			batch = servers(batch)
			kept.Add(int64(len(batch)))
			return emit(batch)
		})}, req)
	if _, err := part.all(ctx); err != nil {
		if !costsItself(err) {
			return false, err
		}
		part.gaps = append(part.gaps, hunt.Note{What: "connections whose direction Zeek turned round could not be looked for: " + err.Error()})
	}
	n := kept.Load()
	if n > 0 {
		part.note("turned", hunt.Note{What: fmt.Sprintf("connections from external addresses whose SYN Zeek missed, read as connections of the internal host: %d", n),
			Hint: "a restart of Zeek or lost packets turn their direction round"})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records += n
	r.done = append(r.done, part.done...)
	r.notes, r.gaps = append(r.notes, part.notes...), append(r.gaps, part.gaps...)
	return n > 0, nil
}

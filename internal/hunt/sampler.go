package hunt

import "context"

// Sampler is a source that can look up what its batches leave out: the sensor, source port and Zeek uid of each
// finding's last connection. It fills them in; a connection that is no longer there leaves its finding as it is.
type Sampler interface {
	Sample(ctx context.Context, findings []Finding) error
}

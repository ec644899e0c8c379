package hunt

// SensorHours says in how many hours of a window, counted from its start, a sensor has connection records, in scope or not.
type SensorHours struct {
	Name  string `json:"name"`
	Hours int64  `json:"hours"`
}

// LogHours says in how many hours of a window, counted from its start, a log has records, and when the first and the last of them
// is, Unix milliseconds.
type LogHours struct {
	Log         string
	Hours       int64
	First, Last int64
}

// LogCoverage is how many of the hours with connections a log beside conn has records in, as it is stored. Whole says that these are
// nearly all.
type LogCoverage struct {
	Log   string `json:"log"`
	Hours int64  `json:"hours"`
	Of    int64  `json:"of"`
	First Time   `json:"first"`
	Last  Time   `json:"last"`
	Whole bool   `json:"whole"`
}

// PeerLoss is what one Zeek process (a worker) says of what it did not see.
type PeerLoss struct {
	// Sensor and Peer name it; Sensor may be empty.
	Sensor, Peer string
	// Gaps of Acks acknowledgements were for data that was never seen (capture_loss.log).
	Gaps, Acks int64
	// Dropped of Packets were dropped before Zeek saw them (stats.log).
	Dropped, Packets int64
}

// LossShare sums losses up: percent of all, and the worst process.
type LossShare struct {
	Percent      float64 `json:"percent"`
	WorstPercent float64 `json:"worst_percent"`
	WorstPeer    string  `json:"worst_peer"`
}

// Coverage is what a source knows of how much of the traffic was seen.
type Coverage struct {
	// Sensors by name; empty where the source tells none apart.
	Sensors []SensorHours
	// Logs beside conn, where the source knows their hours only now.
	Logs []LogHours
	Loss []PeerLoss
}

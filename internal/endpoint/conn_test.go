package endpoint

import "testing"

// BenchmarkRegistry is what the set adds to each connection, with all cores at it.
func BenchmarkRegistry(b *testing.B) {
	r := newRegistry()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := &entry{}
		for pb.Next() {
			r.enter(e, nil)
			e.leave()
		}
	})
}

SELECT bench_send(:k, :a, :b);

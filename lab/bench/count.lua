-- wrk's own totals as one line of JSON, after its usual text.
done = function(summary)
   local e = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.3f, "errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
      summary.requests, summary.duration / 1e6, e.connect, e.read, e.write, e.timeout, e.status))
end

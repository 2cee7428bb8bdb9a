using System.IO.Pipelines;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>Wraps the output of a connection. It sends the answer to a rejected request in place of the server's own bytes.</summary>
internal sealed class RejectionWriter(PipeWriter inner) : PipeWriter
{
    // Receives the server's bytes that are not sent.
    private byte[] _discarded = [];

    /// <summary>The bytes to send at the next flush instead of those written until then.</summary>
    public byte[]? Answer { get; set; }

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public override void Advance(int bytes)
    {
        if (Answer is null)
            inner.Advance(bytes);
    }

    public override Memory<byte> GetMemory(int sizeHint = 0) => Answer is null ? inner.GetMemory(sizeHint) : Discarded(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => Answer is null ? inner.GetSpan(sizeHint) : Discarded(sizeHint);

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (Answer is not { } answer)
            return inner.FlushAsync(cancellationToken);
        Answer = null;
        return inner.WriteAsync(answer, cancellationToken);
    }

    private byte[] Discarded(int sizeHint)
    {
        if (_discarded.Length < Math.Max(sizeHint, 4096))
            _discarded = new byte[Math.Max(sizeHint, 4096)];
        return _discarded;
    }
}

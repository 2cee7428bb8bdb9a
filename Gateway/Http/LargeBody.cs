namespace ConcertSaga.Gateway.Http;

/// <summary>Writes a body of many megabytes without copying it whole into the server's buffers.</summary>
internal static class LargeBody
{
    private const int PieceBytes = 64 * 1024;

    /// <summary>Writes a body in pieces. Each piece waits until the client has taken the previous one.</summary>
    public static async Task WriteAsync(Stream to, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        for (var rest = body; rest.Length > 0; rest = rest[Math.Min(PieceBytes, rest.Length)..])
            await to.WriteAsync(rest[..Math.Min(PieceBytes, rest.Length)], cancellationToken);
    }
}

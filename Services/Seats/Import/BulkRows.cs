using System.Data;
using System.Data.Common;
using System.Globalization;
using Microsoft.Data.SqlClient;
using Npgsql;

namespace ConcertSaga.Seats.Import;

/// <summary>One column of rows that are written in bulk: what it is called, and one of these, which gives its value without boxing it.</summary>
/// <param name="Name">As in the table.</param>
public sealed record BulkColumn<TRow>(string Name)
{
    public Func<TRow, int>? Number { get; init; }

    public Func<TRow, long>? Amount { get; init; }

    public Func<TRow, string>? Text { get; init; }

    public Func<TRow, DateTimeOffset>? Instant { get; init; }

    public Func<TRow, Guid?>? Id { get; init; }

    /// <summary>The value as an object, for servers whose client takes nothing else.</summary>
    internal object ValueOf(TRow row) =>
        Number is not null ? Number(row) : Amount is not null ? Amount(row) : Text is not null ? Text(row)
        : Instant is not null ? Instant(row) : Id!(row) is { } id ? id : DBNull.Value;

    internal Type Type =>
        Number is not null ? typeof(int) : Amount is not null ? typeof(long) : Text is not null ? typeof(string)
        : Instant is not null ? typeof(DateTimeOffset) : typeof(Guid);
}

/// <summary>
/// Writes rows into a table the fastest way its server offers: binary <c>COPY</c> on PostgreSQL, <c>SqlBulkCopy</c> on SQL Server, one
/// prepared insert again and again elsewhere. Rows are taken one by one, so memory does not grow with their number.
/// </summary>
public static class BulkRows
{
    // Of rows: how many SQL Server gets at a time, and after how many a caller hears of them.
    private const int ChunkSize = 10_000;

    /// <param name="connection">Open.</param>
    /// <param name="transaction">The connection's, if it has one.</param>
    /// <param name="table">The table's name, unquoted.</param>
    /// <param name="columns">In the order they are sent.</param>
    /// <param name="rows">Read once.</param>
    /// <param name="progress">Hears every now and then how many rows were taken.</param>
    /// <param name="cancellationToken">Ends it; PostgreSQL then keeps none of the rows, the others those outside a transaction.</param>
    /// <returns>How many rows were written.</returns>
    public static Task<long> WriteAsync<TRow>(
        DbConnection connection, DbTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows,
        Action<long>? progress, CancellationToken cancellationToken)
    {
        var counted = Counted(rows, progress, cancellationToken);
        return connection switch
        {
            NpgsqlConnection postgres => CopyAsync(postgres, table, columns, counted, cancellationToken),
            SqlConnection server => CopyAsync(server, (SqlTransaction?)transaction, table, columns, counted, cancellationToken),
            _ => InsertAsync(connection, transaction, table, columns, counted)
        };
    }

    private static IEnumerable<TRow> Counted<TRow>(IEnumerable<TRow> rows, Action<long>? progress, CancellationToken cancellationToken)
    {
        long count = 0;
        foreach (var row in rows)
        {
            yield return row;
            if (++count % ChunkSize == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Invoke(count);
            }
        }
        progress?.Invoke(count);
    }

    private static async Task<long> CopyAsync<TRow>(
        NpgsqlConnection connection, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows, CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginRawBinaryCopyAsync(
            $"COPY {Quoted(table)} ({Names(columns)}) FROM STDIN (FORMAT BINARY)", cancellationToken);
        // No limit for a server that is busy with a checkpoint.
        copy.WriteTimeout = Timeout.Infinite;
        try
        {
            var (list, buffer) = (columns.ToArray(), new CopyBuffer());
            long written = 0;
            foreach (var row in rows)
            {
                buffer.Add(row, list);
                written++;
                if (buffer.IsFull)
                    await buffer.SendAsync(copy, cancellationToken);
            }
            buffer.End();
            await buffer.SendAsync(copy, cancellationToken);
            return written;
        }
        catch
        {
            // It would otherwise be taken for complete when it is disposed.
            await copy.CancelAsync();
            throw;
        }
    }

    private static async Task<long> CopyAsync<TRow>(
        SqlConnection connection, SqlTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows,
        CancellationToken cancellationToken)
    {
        using var copy = new SqlBulkCopy(connection, SqlBulkCopyOptions.TableLock, transaction) { DestinationTableName = Quoted(table), BulkCopyTimeout = 0 };
        using var chunk = new DataTable { Locale = CultureInfo.InvariantCulture };
        foreach (var column in columns)
        {
            chunk.Columns.Add(column.Name, column.Type);
            copy.ColumnMappings.Add(column.Name, column.Name);
        }
        long written = 0;
        foreach (var some in rows.Chunk(ChunkSize))
        {
            chunk.Clear();
            foreach (var row in some)
                chunk.Rows.Add([.. columns.Select(column => column.ValueOf(row))]);
            await copy.WriteToServerAsync(chunk, cancellationToken);
            written += some.Length;
        }
        return written;
    }

    private static async Task<long> InsertAsync<TRow>(
        DbConnection connection, DbTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows)
    {
        await using var insert = connection.CreateCommand();
        insert.Transaction = transaction;
#pragma warning disable CA2100 // Names of tables and columns cannot be parameters; they are this program's own.
        insert.CommandText = $"INSERT INTO {Quoted(table)} ({Names(columns)}) VALUES ({string.Join(", ", columns.Select((_, place) => $"@p{place}"))})";
#pragma warning restore CA2100
        var parameters = columns.Select((_, place) =>
        {
            var parameter = insert.CreateParameter();
            parameter.ParameterName = $"@p{place}";
            insert.Parameters.Add(parameter);
            return parameter;
        }).ToArray();
        long written = 0;
        foreach (var row in rows)
        {
            for (var place = 0; place < parameters.Length; place++)
                // SQLite keeps instants as UTC texts (see UseProductConventions), which its client makes of a DateTime.
                parameters[place].Value = columns[place].Instant is { } instant ? instant(row).UtcDateTime : columns[place].ValueOf(row);
            if (written == 0)
                await insert.PrepareAsync();
            insert.ExecuteNonQuery();
            written++;
        }
        return written;
    }

    private static string Names<TRow>(IEnumerable<BulkColumn<TRow>> columns) => string.Join(", ", columns.Select(column => Quoted(column.Name)));

    // All three servers take an identifier in these.
    private static string Quoted(string name) => $"\"{name}\"";
}

using System.Data;
using System.Data.Common;
using System.Globalization;
using Microsoft.Data.SqlClient;
using Npgsql;

namespace ConcertSaga.Seats.Import;

/// <summary>
/// Writes rows into a table in the fastest way of its server: binary <c>COPY</c> on PostgreSQL, <c>SqlBulkCopy</c> on SQL Server, a
/// prepared insert on SQLite. It reads rows one at a time, so memory does not grow with their number.
/// </summary>
public static class BulkRows
{
    // SQL Server receives this many rows at a time, and progress is reported after as many.
    private const int ChunkSize = 10_000;

    /// <summary>Writes all rows.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="transaction">The transaction of the connection, if it has one.</param>
    /// <param name="table">The table's name, unquoted.</param>
    /// <param name="columns">The columns to write.</param>
    /// <param name="rows">The rows; read once.</param>
    /// <param name="progress">Receives the number of rows read, once per chunk.</param>
    /// <param name="cancellationToken">
    /// Stops the write. PostgreSQL then keeps no row; the other servers keep rows written outside a transaction.
    /// </param>
    /// <returns>The number of rows written.</returns>
    public static Task<long> WriteAsync<TRow>(
        DbConnection connection, DbTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows,
        Action<long>? progress, CancellationToken cancellationToken)
    {
        var counted = Count(rows, progress, cancellationToken);
        return connection switch
        {
            NpgsqlConnection postgres => CopyAsync(postgres, table, columns, counted, cancellationToken),
            SqlConnection server => CopyAsync(server, (SqlTransaction?)transaction, table, columns, counted, cancellationToken),
            _ => InsertAsync(connection, transaction, table, columns, counted)
        };
    }

    private static IEnumerable<TRow> Count<TRow>(IEnumerable<TRow> rows, Action<long>? progress, CancellationToken cancellationToken)
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
        NpgsqlConnection connection, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows,
            CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginRawBinaryCopyAsync(
            $"COPY {Quoted(table)} ({Names(columns)}) FROM STDIN (FORMAT BINARY)", cancellationToken);
        // No time limit: a server can be busy with a checkpoint for long.
        copy.WriteTimeout = Timeout.Infinite;
        try
        {
            var columnArray = columns.ToArray();
            var buffer = new CopyBuffer();
            long written = 0;
            foreach (var row in rows)
            {
                buffer.AddRow(row, columnArray);
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
            // Without this, disposing would complete the copy.
            await copy.CancelAsync();
            throw;
        }
    }

    private static async Task<long> CopyAsync<TRow>(
        SqlConnection connection, SqlTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns,
        IEnumerable<TRow> rows, CancellationToken cancellationToken)
    {
        using var copy = new SqlBulkCopy(connection, SqlBulkCopyOptions.TableLock, transaction)
        {
            DestinationTableName = Quoted(table),
            BulkCopyTimeout = 0
        };
        using var buffer = new DataTable { Locale = CultureInfo.InvariantCulture };
        foreach (var column in columns)
        {
            buffer.Columns.Add(column.Name, column.Type);
            copy.ColumnMappings.Add(column.Name, column.Name);
        }
        long written = 0;
        foreach (var chunk in rows.Chunk(ChunkSize))
        {
            buffer.Clear();
            foreach (var row in chunk)
                buffer.Rows.Add([.. columns.Select(column => column.ValueOf(row))]);
            await copy.WriteToServerAsync(buffer, cancellationToken);
            written += chunk.Length;
        }
        return written;
    }

    private static async Task<long> InsertAsync<TRow>(
        DbConnection connection, DbTransaction? transaction, string table, IReadOnlyList<BulkColumn<TRow>> columns, IEnumerable<TRow> rows)
    {
        await using var insert = connection.CreateCommand();
        insert.Transaction = transaction;
#pragma warning disable CA2100 // Names of tables and columns cannot be parameters. They come from this program.
        insert.CommandText =
            $"INSERT INTO {Quoted(table)} ({Names(columns)}) VALUES ({string.Join(", ", columns.Select((_, index) => $"@p{index}"))})";
#pragma warning restore CA2100
        var parameters = columns.Select((_, index) =>
        {
            var parameter = insert.CreateParameter();
            parameter.ParameterName = $"@p{index}";
            insert.Parameters.Add(parameter);
            return parameter;
        }).ToArray();
        long written = 0;
        foreach (var row in rows)
        {
            for (var index = 0; index < parameters.Length; index++)
            {
                // SQLite stores instants as UTC text (see UseProductConventions), which its client makes from a DateTime.
                var value = columns[index].ValueOf(row);
                parameters[index].Value = value is DateTimeOffset instant ? instant.UtcDateTime : value;
            }
            if (written == 0)
                await insert.PrepareAsync();
            insert.ExecuteNonQuery();
            written++;
        }
        return written;
    }

    private static string Names<TRow>(IEnumerable<BulkColumn<TRow>> columns) =>
        string.Join(", ", columns.Select(column => Quoted(column.Name)));

    // All three servers accept identifiers in double quotes.
    private static string Quoted(string name) => $"\"{name}\"";
}

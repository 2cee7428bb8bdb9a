using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Npgsql;
using NpgsqlTypes;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// A connection with prepared statements for consuming a message; one handler uses it at a time. The first round trip begins, claims the
/// message in the inbox and reads the saga. The second writes saga or decision, history and outbox, and commits.
/// </summary>
internal sealed class BareTransaction : IAsyncDisposable
{
    private readonly SagaSettings _settings;
    private readonly string _schema;
    private readonly NpgsqlConnection _connection;
    private readonly Batch _claim;
    private readonly Batch _insert;
    private readonly Batch _update;
    private readonly Batch _finish;
    private readonly Batch _decide;
    private BareMessage? _outgoing;

    private BareTransaction(SagaSettings settings, string schema, NpgsqlConnection connection)
    {
        _settings = settings;
        _schema = schema;
        _connection = connection;
        var claim = $"""INSERT INTO {schema}."InboxState" ("MessageId") VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1""";
        var read = """
            SELECT "CurrentState", "Version", "UserId", "ScheduleId", "SeatNumbers", "Amount" FROM saga."Sagas" WHERE "CorrelationId" = $1
            """;
        // A concurrent change fails the transaction: both write a history row with the same key.
        var history = """INSERT INTO saga."Transitions" VALUES ($1, $2, $3, $4, $5, $6, $7)""";
        var outbox = $"""INSERT INTO {schema}."OutboxMessage" VALUES ($1, 1, $2, $3, $4, $5)""";
        var update = """
            UPDATE saga."Sagas" SET "CurrentState" = $1, "Version" = $2, "UpdatedAt" = $3 WHERE "CorrelationId" = $4 AND "Version" = $5
            """;
        NpgsqlDbType[] keys = [NpgsqlDbType.Uuid];
        NpgsqlDbType[] changes = [NpgsqlDbType.Text, NpgsqlDbType.Integer, NpgsqlDbType.TimestampTz, NpgsqlDbType.Uuid,
            NpgsqlDbType.Integer];
        NpgsqlDbType[] rows = [NpgsqlDbType.Uuid, NpgsqlDbType.Integer, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Text,
            NpgsqlDbType.Uuid, NpgsqlDbType.TimestampTz];
        NpgsqlDbType[] messages = [NpgsqlDbType.Uuid, NpgsqlDbType.Uuid, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Bytea];
        _claim = schema == SagaDatabase.SagaSchema
            ? new Batch(connection, ("BEGIN", []), (claim, keys), (read, keys))
            : new Batch(connection, ("BEGIN", []), (claim, keys));
        _insert = new Batch(connection,
            ("""INSERT INTO saga."Sagas" VALUES ($1, $2, 1, $3, $4, $5, $6, $7)""",
                [NpgsqlDbType.Uuid, NpgsqlDbType.Text, NpgsqlDbType.Text, NpgsqlDbType.Integer, NpgsqlDbType.Array | NpgsqlDbType.Integer,
                    NpgsqlDbType.Bigint, NpgsqlDbType.TimestampTz]),
            (history, rows), (outbox, messages), ("COMMIT", []));
        _update = new Batch(connection, (update, changes), (history, rows), (outbox, messages), ("COMMIT", []));
        _finish = new Batch(connection, (update, changes), (history, rows), ("COMMIT", []));
        _decide = new Batch(connection,
            ($"""INSERT INTO {schema}."Decisions" VALUES ($1, $2, $3)""", [NpgsqlDbType.Uuid, NpgsqlDbType.Text, NpgsqlDbType.TimestampTz]),
            (outbox, messages), ("COMMIT", []));
    }

    public static async Task<BareTransaction> OpenAsync(SagaSettings settings, string schema, NpgsqlDataSource source)
    {
        var transaction = new BareTransaction(settings, schema, await source.OpenConnectionAsync());
        foreach (var batch in schema == SagaDatabase.SagaSchema
            ? new[] { transaction._claim, transaction._insert, transaction._update, transaction._finish }
                : [transaction._claim, transaction._decide])
            await batch.PrepareAsync();
        return transaction;
    }

    /// <summary>Consumes a message once. For a duplicate, it finds the outgoing message that may not have been published.</summary>
    /// <returns>The saga, and the outgoing message, if any.</returns>
    public async Task<(Guid SagaId, BareMessage? Sent)> ConsumeAsync(Guid id, string type, ReadOnlyMemory<byte> body)
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        switch (type)
        {
            case nameof(StartSaga):
                var start = Read(body, MessageJson.Default.StartSaga);
                await ClaimAsync(id, start.SagaId, _ =>
                {
                    Send(SagaDatabase.HoldSchema, new Hold(start.SagaId, start.UserId, start.ScheduleId, start.SeatNumbers),
                        MessageJson.Default.Hold);
                    _insert.Set(0, start.SagaId, SagaStates.Holding, start.UserId, start.ScheduleId, start.SeatNumbers, start.Amount, now);
                    return Record(_insert, start.SagaId, 1, "Started", "Initial", SagaStates.Holding, id, now);
                });
                return (start.SagaId, _outgoing);
            case nameof(Held):
                var held = Read(body, MessageJson.Default.Held).SagaId;
                await ClaimAsync(id, held, row =>
                {
                    Send(SagaDatabase.DeductSchema, new Deduct(held, row!.UserId, row.Amount), MessageJson.Default.Deduct);
                    return Change(_update, held, row, type, SagaStates.Deducting, id, now);
                });
                return (held, _outgoing);
            case nameof(Deducted):
                var deducted = Read(body, MessageJson.Default.Deducted).SagaId;
                await ClaimAsync(id, deducted, row =>
                {
                    Send(SagaDatabase.ConfirmSchema, new Confirm(deducted, row!.UserId, row.Amount), MessageJson.Default.Confirm);
                    return Change(_update, deducted, row, type, SagaStates.Confirming, id, now);
                });
                return (deducted, _outgoing);
            case nameof(Confirmed):
                var confirmed = Read(body, MessageJson.Default.Confirmed).SagaId;
                await ClaimAsync(id, confirmed, row => Change(_finish, confirmed, row!, type, SagaStates.Completed, id, now));
                return (confirmed, _outgoing);
            case nameof(Hold):
                var hold = Read(body, MessageJson.Default.Hold).SagaId;
                await ClaimAsync(id, hold, _ => Decide(hold, id, now, new Held(hold, now.AddMinutes(5)), MessageJson.Default.Held));
                return (hold, _outgoing);
            case nameof(Deduct):
                var deduct = Read(body, MessageJson.Default.Deduct).SagaId;
                await ClaimAsync(id, deduct, _ => Decide(deduct, id, now, new Deducted(deduct, 200_000), MessageJson.Default.Deducted));
                return (deduct, _outgoing);
            default:
                var confirm = Read(body, MessageJson.Default.Confirm).SagaId;
                await ClaimAsync(id, confirm, _ => Decide(confirm, id, now, new Confirmed(confirm, Guid.CreateVersion7(now)),
                    MessageJson.Default.Confirmed));
                return (confirm, _outgoing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var batch in new[] { _claim, _insert, _update, _finish, _decide })
            await batch.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task ClaimAsync(Guid id, Guid sagaId, Func<SagaRow?, Batch> handle)
    {
        _outgoing = null;
        _claim.Set(1, id);
        if (_schema == SagaDatabase.SagaSchema)
            _claim.Set(2, sagaId);
        SagaRow? row = null;
        bool isNew;
        await using (var reader = await _claim.ExecuteAsync())
        {
            isNew = await reader.ReadAsync();
            if (await reader.NextResultAsync() && await reader.ReadAsync())
            {
                row = new SagaRow
                {
                    CurrentState = reader.GetString(0),
                    Version = reader.GetInt32(1),
                    UserId = reader.GetString(2),
                    ScheduleId = reader.GetInt32(3),
                    SeatNumbers = reader.GetFieldValue<int[]>(4),
                    Amount = reader.GetInt64(5)
                };
            }
        }
        if (!isNew)
        {
            await ResumeAsync(id);
            return;
        }
        var batch = handle(row);
        if (_outgoing is { } sent)
            batch.Set(batch.Last - 1, id, sent.Id, sent.Queue, sent.Type, sent.Body);
        await batch.RunAsync();
    }

    private async Task ResumeAsync(Guid id)
    {
        await using var batch = new NpgsqlBatch(_connection) { BatchCommands = { new NpgsqlBatchCommand("ROLLBACK") } };
#pragma warning disable CA2100 // The schema is a constant.
        var left =
            new NpgsqlBatchCommand(
            $"""SELECT "MessageId", "Destination", "MessageType", "Body" FROM {_schema}."OutboxMessage" WHERE "InboxMessageId" = $1""");
#pragma warning restore CA2100
        left.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        batch.BatchCommands.Add(left);
        await using var reader = await batch.ExecuteReaderAsync();
        if (await reader.ReadAsync())
            _outgoing = new BareMessage(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetFieldValue<byte[]>(3));
    }

    private static Batch Change(Batch batch, Guid sagaId, SagaRow row, string trigger, string to, Guid messageId, DateTime now)
    {
        batch.Set(0, to, row.Version + 1, now, sagaId, row.Version);
        return Record(batch, sagaId, row.Version + 1, trigger, row.CurrentState, to, messageId, now);
    }

    private static Batch Record(
        Batch batch, Guid sagaId, int sequence, string trigger, string from, string to, Guid messageId, DateTime now)
    {
        batch.Set(1, sagaId, sequence, trigger, from, to, messageId, now);
        return batch;
    }

    private Batch Decide<TReply>(Guid sagaId, Guid messageId, DateTime now, TReply reply, JsonTypeInfo<TReply> json)
    {
        Send(SagaDatabase.SagaSchema, reply, json);
        _decide.Set(0, sagaId, typeof(TReply).Name, now);
        return _decide;
    }

    private void Send<T>(string endpoint, T message, JsonTypeInfo<T> json) =>
        _outgoing = BareMessage.Of(_settings.QueueOf(endpoint), message, json);

    private static T Read<T>(ReadOnlyMemory<byte> body, JsonTypeInfo<T> json) => JsonSerializer.Deserialize(body.Span, json)!;

    /// <summary>Prepared statements that share a round trip.</summary>
    private sealed class Batch : IAsyncDisposable
    {
        private readonly NpgsqlBatch _batch;

        public Batch(NpgsqlConnection connection, params (string Sql, NpgsqlDbType[] Types)[] statements)
        {
            _batch = new NpgsqlBatch(connection);
            foreach (var (sql, types) in statements)
            {
#pragma warning disable CA2100 // Constants of this file.
                var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
                foreach (var type in types)
                    command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = type });
                _batch.BatchCommands.Add(command);
            }
        }

        /// <summary>Index of the last statement.</summary>
        public int Last => _batch.BatchCommands.Count - 1;

        public Task PrepareAsync() => _batch.PrepareAsync();

        public void Set(int statement, params ReadOnlySpan<object> values)
        {
            var parameters = _batch.BatchCommands[statement].Parameters;
            for (var place = 0; place < values.Length; place++)
                parameters[place].Value = values[place];
        }

        public Task<NpgsqlDataReader> ExecuteAsync() => _batch.ExecuteReaderAsync();

        public Task<int> RunAsync() => _batch.ExecuteNonQueryAsync();

        public ValueTask DisposeAsync() => _batch.DisposeAsync();
    }
}

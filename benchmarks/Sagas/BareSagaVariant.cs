using ConcertSaga.Benchmarks.Measuring;
using Npgsql;
using RabbitMQ.Client;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// The limit: the same guarantees with only Npgsql and RabbitMQ.Client. Each endpoint has an inbox and an outbox. It consumes a message in
/// one transaction with two round trips, publishes, awaits the confirm, deletes outbox rows in groups, and acknowledges last.
/// </summary>
internal sealed class BareSagaVariant(SagaSettings settings) : ISagaVariant
{
    private readonly List<BareEndpoint> _endpoints = [];
    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(settings.Database);
    private IConnection? _broker;
    private BarePublisher? _starts;

    public async Task StartAsync()
    {
        await CreateTablesAsync();
        _broker = await new ConnectionFactory { Uri = settings.Broker }.CreateConnectionAsync();
        _starts = await BarePublisher.OpenAsync(_broker);
        string[] schemas = [SagaDatabase.SagaSchema, SagaDatabase.HoldSchema, SagaDatabase.DeductSchema, SagaDatabase.ConfirmSchema];
        foreach (var schema in schemas)
            _endpoints.Add(await BareEndpoint.OpenAsync(settings, schema, _source, _broker));
        foreach (var endpoint in _endpoints)
            await endpoint.ConsumeAsync();
    }

    public async Task SendStartAsync(Guid sagaId)
    {
        var confirmed = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        _starts!.Publish(BareMessage.Of(settings.QueueOf(SagaDatabase.SagaSchema), StartSaga.Of(sagaId), MessageJson.Default.StartSaga),
            confirmed.SetResult);
        if (!await confirmed.Task)
            throw new BenchmarkException("the broker rejected the start of a saga.");
    }

    public async ValueTask DisposeAsync()
    {
        if (_broker is not null)
            await _broker.DisposeAsync();
        foreach (var endpoint in _endpoints)
            await endpoint.DisposeAsync();
        await _source.DisposeAsync();
    }

    private async Task CreateTablesAsync()
    {
        const string inboxAndOutbox = """
            CREATE TABLE {0}."InboxState" ("MessageId" uuid PRIMARY KEY, "Received" timestamptz NOT NULL DEFAULT now());
            CREATE TABLE {0}."OutboxMessage" (
                "InboxMessageId" uuid NOT NULL, "Sequence" int NOT NULL, "MessageId" uuid NOT NULL, "Destination" text NOT NULL,
                "MessageType" text NOT NULL, "Body" bytea NOT NULL, PRIMARY KEY ("InboxMessageId", "Sequence"));
            """;
        const string sagas = """
            CREATE TABLE saga."Sagas" (
                "CorrelationId" uuid PRIMARY KEY, "CurrentState" text NOT NULL, "Version" int NOT NULL, "UserId" text NOT NULL,
                "ScheduleId" int NOT NULL, "SeatNumbers" int[] NOT NULL, "Amount" bigint NOT NULL, "UpdatedAt" timestamptz NOT NULL);
            CREATE TABLE saga."Transitions" (
                "SagaId" uuid NOT NULL, "Sequence" int NOT NULL, "Trigger" text NOT NULL, "FromState" text NOT NULL,
                "ToState" text NOT NULL, "MessageId" uuid, "OccurredAt" timestamptz NOT NULL, PRIMARY KEY ("SagaId", "Sequence"));
            """;
        const string decisions = """
            CREATE TABLE {0}."Decisions" ("SagaId" uuid PRIMARY KEY, "Outcome" text NOT NULL, "DecidedAt" timestamptz NOT NULL);
            """;
        string[] steps = [SagaDatabase.HoldSchema, SagaDatabase.DeductSchema, SagaDatabase.ConfirmSchema];
        string[] script =
        [
            .. steps.Append(SagaDatabase.SagaSchema)
                .Select(schema => $"CREATE SCHEMA {schema};" + inboxAndOutbox.Replace("{0}", schema, StringComparison.Ordinal)),
            sagas, .. steps.Select(schema => decisions.Replace("{0}", schema, StringComparison.Ordinal))
        ];
#pragma warning disable CA2100 // Constants of this file.
        await using var command = _source.CreateCommand(string.Concat(script));
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }
}

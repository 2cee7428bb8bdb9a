using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Npgsql;
using NpgsqlTypes;
using RabbitMQ.Client;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// One queue with its inbox and outbox. A message passes three stages without a wait in between: its transaction, the publish of its
/// outgoing message, and after the confirm a delete of outbox rows in groups. Then the endpoint acknowledges it.
/// </summary>
internal sealed class BareEndpoint : AsyncDefaultBasicConsumer, IAsyncDisposable
{
    private const int MaxPerDelete = 256;

    private readonly SagaSettings _settings;
    private readonly string _schema;
    private readonly NpgsqlDataSource _source;
    private readonly BarePublisher _publisher;
    private readonly ConcurrentBag<BareTransaction> _idle = [];

    private readonly Channel<(Guid Message, ulong DeliveryTag)> _confirmed =
        System.Threading.Channels.Channel.CreateUnbounded<(Guid, ulong)>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly Task _deleting;

    private BareEndpoint(SagaSettings settings, string schema, NpgsqlDataSource source, IChannel channel, BarePublisher publisher)
        : base(channel)
    {
        _settings = settings;
        _schema = schema;
        _source = source;
        _publisher = publisher;
        _deleting = Task.Run(DeleteGroupsAsync);
    }

    public static async Task<BareEndpoint> OpenAsync(SagaSettings settings, string schema, NpgsqlDataSource source, IConnection broker)
    {
        var channel = await broker.CreateChannelAsync(
            new CreateChannelOptions(false, false, consumerDispatchConcurrency: (ushort)settings.Concurrency));
        var queue = settings.QueueOf(schema);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
            settings.Quorum ? new Dictionary<string, object?> { ["x-queue-type"] = "quorum" } : null);
        await channel.QueuePurgeAsync(queue);
        await channel.BasicQosAsync(0, SagaSettings.Prefetch, global: false);
        return new BareEndpoint(settings, schema, source, channel, await BarePublisher.OpenAsync(broker));
    }

    public Task ConsumeAsync() => Channel.BasicConsumeAsync(_settings.QueueOf(_schema), autoAck: false, this);

    public override async Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        BareTransaction? transaction = null;
        try
        {
            if (!_idle.TryTake(out transaction))
                transaction = await BareTransaction.OpenAsync(_settings, _schema, _source);
            var id = Guid.ParseExact(properties.MessageId!, "n");
            var type = properties.Type!;
            var (sagaId, sent) = await transaction.ConsumeAsync(id, type, body);
            _idle.Add(transaction);
            transaction = null;
            if (sent is not null)
            {
                _publisher.Publish(sent, confirmed =>
                {
                    if (confirmed)
                        _confirmed.Writer.TryWrite((id, deliveryTag));
                    else
                        _ = RequeueAsync(deliveryTag, "the broker rejected a message").AsTask();
                });
                return;
            }
            if (type == nameof(Confirmed))
                SagaLoad.Finished(sagaId);
            await Channel.BasicAckAsync(deliveryTag, multiple: false, cancellationToken);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Closing the connection rolls the transaction back. The inbox deduplicates the redelivered message.
            if (transaction is not null)
                await transaction.DisposeAsync();
            await RequeueAsync(deliveryTag, exception.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _confirmed.Writer.TryComplete();
        await _deleting;
        foreach (var transaction in _idle)
            await transaction.DisposeAsync();
    }

    private async ValueTask RequeueAsync(ulong deliveryTag, string reason)
    {
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{_schema}: {reason}"));
        if (Channel.IsOpen)
            await Channel.BasicNackAsync(deliveryTag, multiple: false, requeue: true);
    }

    // A group is everything that waits at the moment; no timer delays a delete.
    private async Task DeleteGroupsAsync()
    {
        await using var connection = await _source.OpenConnectionAsync();
#pragma warning disable CA2100 // The schema is a constant.
        await using var delete = new NpgsqlCommand($"DELETE FROM {_schema}.\"OutboxMessage\" WHERE \"InboxMessageId\" = ANY($1)",
            connection);
#pragma warning restore CA2100
        var messages = new NpgsqlParameter<Guid[]> { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid };
        delete.Parameters.Add(messages);
        var group = new List<(Guid Message, ulong DeliveryTag)>(MaxPerDelete);
        while (await _confirmed.Reader.WaitToReadAsync())
        {
            while (group.Count < MaxPerDelete && _confirmed.Reader.TryRead(out var confirmed))
                group.Add(confirmed);
            messages.TypedValue = [.. group.Select(confirmed => confirmed.Message)];
            try
            {
                await delete.ExecuteNonQueryAsync();
                foreach (var (_, deliveryTag) in group)
                    await Channel.BasicAckAsync(deliveryTag, multiple: false);
            }
            catch (NpgsqlException exception)
            {
                foreach (var (_, deliveryTag) in group)
                    await RequeueAsync(deliveryTag, exception.Message);
            }
            group.Clear();
        }
    }
}

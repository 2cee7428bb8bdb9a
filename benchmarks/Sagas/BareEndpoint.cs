using System.Collections.Concurrent;
using System.Threading.Channels;
using Npgsql;
using NpgsqlTypes;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>One queue with its inbox and outbox.</summary>
internal sealed class BareEndpoint : IAsyncDisposable
{
    private const int MostPerDelete = 256;

    private readonly SagaSettings _settings;
    private readonly string _schema;
    private readonly NpgsqlDataSource _source;
    private readonly IChannel _channel;
    private readonly BarePublisher _publisher;
    private readonly ConcurrentBag<BareTransaction> _idle = [];

    private readonly Channel<(Guid Message, TaskCompletionSource Done)> _delivered = Channel.CreateUnbounded<(Guid, TaskCompletionSource)>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly Task _deleting;

    private BareEndpoint(SagaSettings settings, string schema, NpgsqlDataSource source, IChannel channel, BarePublisher publisher)
    {
        (_settings, _schema, _source, _channel, _publisher) = (settings, schema, source, channel, publisher);
        _deleting = Task.Run(DeleteGroupsAsync);
    }

    public static async Task<BareEndpoint> OpenAsync(SagaSettings settings, string schema, NpgsqlDataSource source, IConnection broker)
    {
        var channel = await broker.CreateChannelAsync();
        var queue = settings.QueueOf(schema);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
            settings.Quorum ? new Dictionary<string, object?> { ["x-queue-type"] = "quorum" } : null);
        await channel.QueuePurgeAsync(queue);
        await channel.BasicQosAsync(0, SagaSettings.Prefetch, global: false);
        return new BareEndpoint(settings, schema, source, channel, await BarePublisher.OpenAsync(broker));
    }

    public Task ConsumeAsync()
    {
        // The connection hands out as many messages at the same time as the endpoint may handle.
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += async (_, delivery) => await HandleAsync(delivery);
        return _channel.BasicConsumeAsync(_settings.QueueOf(_schema), autoAck: false, consumer);
    }

    public async ValueTask DisposeAsync()
    {
        _delivered.Writer.TryComplete();
        await _deleting;
        foreach (var transaction in _idle)
            await transaction.DisposeAsync();
    }

    private async Task HandleAsync(BasicDeliverEventArgs delivery)
    {
        BareTransaction? transaction = null;
        try
        {
            if (!_idle.TryTake(out transaction))
                transaction = await BareTransaction.OpenAsync(_settings, _schema, _source);
            var id = Guid.ParseExact(delivery.BasicProperties.MessageId!, "n");
            var type = delivery.BasicProperties.Type!;
            var sagaId = await transaction.ConsumeAsync(id, type, delivery.Body);
            var sent = transaction.Outgoing;
            _idle.Add(transaction);
            if (sent is not null)
            {
                await _publisher.PublishAsync(sent);
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _delivered.Writer.TryWrite((id, done));
                await done.Task;
            }
            if (type == nameof(Confirmed))
                SagaLoad.Finished(sagaId);
            await _channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Its transaction is undone with its connection; the message comes again and the inbox tells what had been done.
            await Console.Error.WriteLineAsync($"{_schema}: {exception.Message}");
            if (transaction is not null && !_idle.Contains(transaction))
                await transaction.DisposeAsync();
            if (_channel.IsOpen)
                await _channel.BasicNackAsync(delivery.DeliveryTag, multiple: false, requeue: true);
        }
    }

    // Whatever is waiting goes into one delete; nobody waits for a timer.
    private async Task DeleteGroupsAsync()
    {
        await using var connection = await _source.OpenConnectionAsync();
#pragma warning disable CA2100 // The schema is a constant.
        await using var delete = new NpgsqlCommand($"DELETE FROM {_schema}.\"OutboxMessage\" WHERE \"InboxMessageId\" = ANY($1)", connection);
#pragma warning restore CA2100
        var messages = new NpgsqlParameter<Guid[]> { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid };
        delete.Parameters.Add(messages);
        var group = new List<(Guid Message, TaskCompletionSource Done)>(MostPerDelete);
        while (await _delivered.Reader.WaitToReadAsync())
        {
            while (group.Count < MostPerDelete && _delivered.Reader.TryRead(out var one))
                group.Add(one);
            try
            {
                messages.TypedValue = [.. group.Select(one => one.Message)];
                await delete.ExecuteNonQueryAsync();
                group.ForEach(one => one.Done.SetResult());
            }
            catch (NpgsqlException exception)
            {
                group.ForEach(one => one.Done.SetException(exception));
            }
            group.Clear();
        }
    }
}

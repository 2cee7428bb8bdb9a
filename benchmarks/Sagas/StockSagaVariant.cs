using MassTransit;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>The same state machine with sagas in memory and without a database: the cost of the transport alone.</summary>
internal sealed class StockSagaVariant : ISagaVariant
{
    private readonly IHost _host;
    private readonly SagaSettings _settings;

    public StockSagaVariant(SagaSettings settings)
    {
        _settings = settings;
        _host = SagaPersistence.BuildHost(settings, bus =>
        {
            bus.AddSagaStateMachine<SagaMachine, SagaRow>().InMemoryRepository();
            SagaTransport.Use(bus, settings, (context, transport) =>
            {
                SagaTransport.AddEndpoint(transport, settings, SagaDatabase.SagaSchema, endpoint =>
                {
                    SagaTransport.ReportFinal(endpoint);
                    endpoint.ConfigureSaga<SagaRow>(context);
                });
                AddStep<Hold, Held>(SagaDatabase.HoldSchema,
                    command => new Held(command.SagaId, TimeProvider.System.GetUtcNow().UtcDateTime));
                AddStep<Deduct, Deducted>(SagaDatabase.DeductSchema, command => new Deducted(command.SagaId, 200_000));
                AddStep<Confirm, Confirmed>(SagaDatabase.ConfirmSchema, command => new Confirmed(command.SagaId, Guid.CreateVersion7()));

                void AddStep<TCommand, TReply>(string name, Func<TCommand, TReply> decide)
                    where TCommand : class
                    where TReply : class =>
                    SagaTransport.AddEndpoint(transport, settings, name, endpoint => endpoint.Handler<TCommand>(
                        context =>
                            context.Send(new Uri($"exchange:{settings.QueueOf(SagaDatabase.SagaSchema)}"), decide(context.Message))));
            });
        });
    }

    public Task StartAsync() => _host.StartAsync();

    public Task SendStartAsync(Guid sagaId) => SagaTransport.SendStartAsync(_host.Services, _settings, sagaId);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}

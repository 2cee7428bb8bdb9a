using MassTransit;
using MassTransit.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>MassTransit over RabbitMQ, shared by both variants that use it.</summary>
internal static class SagaTransport
{
    public static void Use(
        IBusRegistrationConfigurator bus, SagaSettings settings, Action<IBusRegistrationContext, IRabbitMqBusFactoryConfigurator> endpoints)
    {
        // The broker confirms and drops messages to an exchange without a bound queue.
        bus.AddOptions<MassTransitHostOptions>().Configure(host => host.WaitUntilStarted = true);
        bus.UsingRabbitMq((context, transport) =>
        {
            // By default, publisher confirms are on, and exchanges, queues and messages are durable.
            transport.Host(settings.Broker);
            endpoints(context, transport);
        });
    }

    public static void AddEndpoint(IRabbitMqBusFactoryConfigurator transport, SagaSettings settings, string name,
        Action<IRabbitMqReceiveEndpointConfigurator> configure) =>
        transport.ReceiveEndpoint(settings.QueueOf(name), endpoint =>
        {
            endpoint.ConfigureConsumeTopology = false;
            endpoint.PrefetchCount = SagaSettings.Prefetch;
            endpoint.ConcurrentMessageLimit = settings.Concurrency;
            if (settings.Quorum)
                endpoint.SetQuorumQueue();
            configure(endpoint);
        });

    /// <summary>
    /// Reports each saga whose last message has been handled. Call it first, so that it surrounds the rest of the endpoint.
    /// </summary>
    public static void ReportFinal(IReceiveEndpointConfigurator endpoint) => endpoint.AddPipeSpecification(new FinalReport());

    public static async Task SendStartAsync(IServiceProvider services, SagaSettings settings, Guid sagaId)
    {
        var endpoint = await services.GetRequiredService<IBus>()
            .GetSendEndpoint(new Uri($"exchange:{settings.QueueOf(SagaDatabase.SagaSchema)}"));
        await endpoint.Send(StartSaga.Of(sagaId));
    }

    private sealed class FinalReport : IPipeSpecification<ConsumeContext<Confirmed>>, IFilter<ConsumeContext<Confirmed>>
    {
        public void Apply(IPipeBuilder<ConsumeContext<Confirmed>> builder) => builder.AddFilter(this);

        public IEnumerable<ValidationResult> Validate() => [];

        public async Task Send(ConsumeContext<Confirmed> context, IPipe<ConsumeContext<Confirmed>> next)
        {
            await next.Send(context);
            SagaLoad.Finished(context.Message.SagaId);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("finalReport");
    }
}

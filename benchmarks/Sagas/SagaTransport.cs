using MassTransit;
using MassTransit.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>MassTransit over RabbitMQ, the same for both variants that use it.</summary>
internal static class SagaTransport
{
    public static void Use(IBusRegistrationConfigurator bus, SagaSettings settings, Action<IBusRegistrationContext, IRabbitMqBusFactoryConfigurator> endpoints)
    {
        // What is sent to an exchange before its queue is bound is confirmed, and gone.
        bus.AddOptions<MassTransitHostOptions>().Configure(host => host.WaitUntilStarted = true);
        bus.UsingRabbitMq((context, transport) =>
        {
            // Publisher confirms are on unless switched off; exchanges, queues and messages are durable unless said otherwise.
            transport.Host(settings.Broker);
            endpoints(context, transport);
        });
    }

    public static void AddEndpoint(IRabbitMqBusFactoryConfigurator transport, SagaSettings settings, string name, Action<IRabbitMqReceiveEndpointConfigurator> configure) =>
        transport.ReceiveEndpoint(settings.QueueOf(name), endpoint =>
        {
            endpoint.ConfigureConsumeTopology = false;
            endpoint.PrefetchCount = SagaSettings.Prefetch;
            endpoint.ConcurrentMessageLimit = settings.Concurrency;
            if (settings.Quorum)
                endpoint.SetQuorumQueue();
            configure(endpoint);
        });

    /// <summary>Tells the load of each saga whose last message has been handled. Must come before everything else on the endpoint, to be around it.</summary>
    public static void ReportFinal(IReceiveEndpointConfigurator endpoint) => endpoint.AddPipeSpecification(new FinalReport());

    public static async Task SendStartAsync(IServiceProvider services, SagaSettings settings, Guid sagaId)
    {
        var endpoint = await services.GetRequiredService<IBus>().GetSendEndpoint(new Uri($"exchange:{settings.QueueOf(SagaDatabase.SagaSchema)}"));
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

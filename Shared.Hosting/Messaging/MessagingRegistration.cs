using ConcertSaga.Shared.Hosting.Faults;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Connects a process to the configured bus.</summary>
public static class MessagingRegistration
{
    /// <summary>The tag of the bus's own health check.</summary>
    internal const string HealthTag = "broker";

    /// <summary>
    /// Adds the bus with the consumers that <paramref name="configure"/> registers, each on the queue its definition names. On RabbitMQ,
    /// every work queue is a quorum queue with a delivery limit and the dead-letter queue <c>{queue}_dead</c>, and the broker confirms
    /// every publish. An unreachable broker degrades the process but does not stop it.
    /// </summary>
    public static IHostApplicationBuilder AddMessaging(this IHostApplicationBuilder builder, Action<IBusRegistrationConfigurator> configure)
    {
        var options = builder.AddOptionsSection<MessagingOptions>("Messaging");
        var faults = builder.AddFaults();

        builder.Services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            bus.ConfigureHealthCheckOptions(health =>
            {
                health.MinimalFailureStatus = HealthStatus.Degraded;
                health.Tags.Add(HealthTag);
            });
            configure(bus);
            bus.AddConfigureEndpointsCallback((context, queue, endpoint) =>
            {
                endpoint.PrefetchCount = options.PrefetchCount;
                endpoint.ConcurrentMessageLimit = options.ConcurrentMessages;
                MessageRetry.Apply(endpoint);
                // A temporary queue ends with its process, so replicas would not help.
                if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit && !endpoint.InputAddress.Query.Contains("temporary=true"))
                    MakeQuorum(rabbit, queue, options);
            });

            if (options.Transport == MessagingTransport.InMemory)
            {
                bus.UsingInMemory((context, transport) =>
                {
                    AddFilters(transport, context);
                    FailureEndpoints.Add(transport, context, options);
                    transport.ConfigureEndpoints(context);
                });
            }
            else
            {
                var address = BrokerAddress(builder.Configuration);
                bus.UsingRabbitMq((context, transport) =>
                {
                    transport.Host(address);
                    AddFilters(transport, context);
                    FailureEndpoints.Add(transport, context, options);
                    transport.ConfigureEndpoints(context);
                });
            }
        });

        void AddFilters(IBusFactoryConfigurator transport, IBusRegistrationContext context)
        {
            transport.UseFilter(ActivatorUtilities.CreateInstance<ReservationCorrelation>(context));
            faults.Apply(transport, context);
        }

        if (options.ConnectTimeout > TimeSpan.Zero)
        {
            builder.Services.AddSingleton<FirstConnection>();
            builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
                "first-connection", services => services.GetRequiredService<FirstConnection>(), HealthStatus.Unhealthy, []));
        }
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(host =>
        {
            // The process serves reads without the broker, so the start does not wait for it.
            host.WaitUntilStarted = false;
            host.StopTimeout = TimeSpan.FromSeconds(25);
            host.ConsumerStopTimeout = TimeSpan.FromSeconds(20);
        });
        return builder;
    }

    internal static void MakeQuorum(IRabbitMqReceiveEndpointConfigurator endpoint, string queue, MessagingOptions options)
    {
        endpoint.SetQuorumQueue();
        endpoint.SetQueueArgument("x-delivery-limit", options.DeliveryLimit);
        // The strategy at-least-once needs reject-publish. Without a length limit, the queue never rejects a message.
        endpoint.SetQueueArgument("x-dead-letter-strategy", "at-least-once");
        endpoint.SetQueueArgument("x-overflow", "reject-publish");
        endpoint.BindDeadLetterQueue($"{queue}_dead", $"{queue}_dead", dead => dead.SetQuorumQueue());
    }

    private static Uri BrokerAddress(IConfiguration configuration)
    {
        const string key = "ConnectionStrings:RabbitMq";
        const string allowed = "allowed: an address such as amqp://user:password@host:5672/";
        var text = configuration[key];
        if (string.IsNullOrWhiteSpace(text))
            throw new StartupException($"{key} is missing; {allowed}.");
        // The value may contain a password, so the message does not repeat it.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address)
            || address.Scheme is not ("amqp" or "amqps" or "rabbitmq" or "rabbitmqs"))
            throw new StartupException($"{key} is not an AMQP address; {allowed}.");
        return address;
    }
}

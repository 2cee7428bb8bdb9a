using MassTransit.Configuration;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Puts a filter directly around each consumer under the outbox. A retry inside the outbox calls the consumer again in the same scope; the
/// filter keeps the last attempt from committing what failed attempts sent and tracked. The saga repository does this for sagas.
/// </summary>
internal sealed class AttemptObserver : IConsumerConfigurationObserver
{
    public void ConsumerConfigured<TConsumer>(IConsumerConfigurator<TConsumer> configurator)
        where TConsumer : class
    {
    }

    public void ConsumerMessageConfigured<TConsumer, TMessage>(IConsumerMessageConfigurator<TConsumer, TMessage> configurator)
        where TConsumer : class
        where TMessage : class =>
        configurator.AddPipeSpecification(
            new FilterPipeSpecification<ConsumerConsumeContext<TConsumer, TMessage>>(new AttemptFilter<TConsumer, TMessage>()));

    private sealed class AttemptFilter<TConsumer, TMessage> : IFilter<ConsumerConsumeContext<TConsumer, TMessage>>
        where TConsumer : class
        where TMessage : class
    {
        public Task Send(ConsumerConsumeContext<TConsumer, TMessage> context, IPipe<ConsumerConsumeContext<TConsumer, TMessage>> next) =>
            context.TryGetPayload(out IOutboxTransaction? outbox) ? outbox.AttemptAsync(() => next.Send(context)) : next.Send(context);

        public void Probe(ProbeContext context) => context.CreateFilterScope("outboxAttempt");
    }
}

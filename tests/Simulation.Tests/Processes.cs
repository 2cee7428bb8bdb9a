namespace ConcertSaga.Simulation.Tests;

/// <summary>A sequence of choices that a seed or a failure repeats.</summary>
internal interface IStory : IDisposable
{
    /// <summary>What has happened, in order.</summary>
    IReadOnlyList<string> Log { get; }

    /// <summary>Makes a choice.</summary>
    void Play(int kind, int index);

    /// <summary>Ends all that is in progress, as healthy processes do, and audits the books.</summary>
    /// <exception cref="ViolationException">A promise was broken.</exception>
    void End();
}

/// <summary>What the processes of a story are doing, and its log.</summary>
internal sealed class Processes
{
    private readonly List<Flow> _flows = [];
    private readonly List<string> _log = [];

    public IReadOnlyList<string> Log => _log;

    /// <summary>The number of flows in progress.</summary>
    public int Count => _flows.Count;

    public bool AreBusy(string process) => _flows.Exists(flow => flow.Process == process);

    public void Tell(string line) => _log.Add(line);

    public Flow Start(string process, string name, Func<Task> work)
    {
        var flow = new Flow(process, name);
        _flows.Add(flow);
        flow.Start(work);
        return flow;
    }

    /// <summary>Lets a flow execute its next statements.</summary>
    /// <returns>Whether any flow could.</returns>
    public bool GoOn(int index)
    {
        var ready = _flows.FindAll(flow => flow.CanGoOn);
        if (ready.Count == 0)
            return false;
        var flow = ready[index % ready.Count];
        // Most statements matter only together with those after them.
        for (var steps = 1 + (index / 7 % 8); steps > 0 && flow.CanGoOn; steps--)
        {
            Tell($"{flow}: {flow.Place}");
            flow.GoOn();
        }
        return true;
    }

    public void Kill(int index)
    {
        if (_flows.Count == 0)
            return;
        var process = _flows[index % _flows.Count].Process;
        Tell($"{process} is killed");
        foreach (var flow in _flows.Where(flow => flow.Process == process))
            flow.Kill();
    }

    /// <summary>Kills all, so that no transaction of a story that ended early stays open.</summary>
    public void KillAll()
    {
        foreach (var flow in _flows)
            flow.Kill();
    }

    /// <summary>Removes the flows that have ended.</summary>
    public List<Flow> TakeEnded()
    {
        var ended = _flows.FindAll(flow => flow.Work.IsCompleted);
        foreach (var flow in ended)
        {
            _flows.Remove(flow);
            if (flow.Work.Exception?.InnerException is ViolationException violation)
                throw violation;
        }
        return ended;
    }
}

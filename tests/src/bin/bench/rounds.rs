//! Rounds: everything of a group once, then once more in reverse order, so that a machine whose speed drifts favours
//! nobody.

use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use tests::{
    profile::Profile,
    watch::{Spent, Watch},
};

use crate::{Bench, results::Sample};

/// How often a disturbed measurement is made again.
const AGAIN: usize = 2;

/// What one step measured, by name.
pub(crate) type Measured = Vec<(&'static str, Sample)>;

/// A step of each round.
pub(crate) struct Step<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> LocalBoxFuture<'a, anyhow::Result<Measured>> + 'a>,
}

/// A step that measures one thing.
pub(crate) fn step<'a, F>(name: &'static str, run: impl Fn() -> F + 'a) -> Step<'a>
where
    F: Future<Output = anyhow::Result<Sample>> + 'a,
{
    steps(name, move || {
        let sample = run();
        async move { Ok(vec![(name, sample.await?)]) }
    })
}

/// A step that measures several things.
pub(crate) fn steps<'a, F>(name: &'static str, run: impl Fn() -> F + 'a) -> Step<'a>
where
    F: Future<Output = anyhow::Result<Measured>> + 'a,
{
    Step {
        name,
        run: Box::new(move || Box::pin(run())),
    }
}

impl Bench {
    /// Runs all steps in rounds and keeps what they measured. A step during which others had more of the machine
    /// than is allowed is made again, whatever it measured; its last try counts.
    pub(crate) async fn alternate(&self, steps: &[Step<'_>]) -> anyhow::Result<()> {
        for round in 0..self.args.rounds {
            let mut order: Vec<&Step> = steps.iter().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for step in order {
                for (name, sample) in self.undisturbed(step).await? {
                    self.results.borrow_mut().add(name, sample);
                }
            }
        }
        Ok(())
    }

    async fn undisturbed(&self, step: &Step<'_>) -> anyhow::Result<Measured> {
        let mut tries = 0;
        loop {
            let profile = self
                .args
                .profile
                .then(|| Profile::start(&self.cluster))
                .transpose()?;
            let (watch, started) = (Watch::start(), Instant::now());
            let mut measured = (step.run)().await?;
            let Spent { foreign, most, .. } = watch.stop();
            if let Some(profile) = profile {
                let cpu = measured.iter().find_map(|(_, sample)| sample.cpu);
                println!("{}, of each operation:\n{}", step.name, profile.stop(cpu)?);
            }
            let seconds = started.elapsed().as_secs_f64();
            let is_disturbed = foreign > self.args.foreign;
            for (name, sample) in &mut measured {
                sample.foreign = foreign;
                eprintln!(
                    "{name:>24} {:>9.1} in {seconds:.1} s{}",
                    sample.value,
                    if is_disturbed { ", disturbed" } else { "" }
                );
            }
            tries += 1;
            if !is_disturbed || tries > AGAIN {
                return Ok(measured);
            }
            let percent = foreign * 100.0;
            eprintln!(
                "{}: others ({most} most) had {percent:.0} % of the machine; again",
                step.name
            );
        }
    }
}
